"""One or many processes, one or many devices, by Hugging Face accelerate.

Networks are not wrapped: each process computes its own gradients, and they are averaged
before a step. Every process begins with the same weights, so all stay the same.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from accelerate import Accelerator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from torch import Tensor, nn


class Processes:
    """The processes of a run, of which this is one.

    `accelerate launch -m training fit ...` starts several, on one machine or more.

    Parameters
    ----------
    mixed_precision : {"no", "bf16"}
        What `autocast` computes in.
    """

    def __init__(self, mixed_precision: str = "no") -> None:
        self._accelerator: Any = Accelerator(mixed_precision=mixed_precision)

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        device: torch.device = self._accelerator.device
        return device

    @property
    def count(self) -> int:
        """How many there are."""
        return int(self._accelerator.num_processes)

    @property
    def rank(self) -> int:
        """Which one this is, from 0 up."""
        return int(self._accelerator.process_index)

    @property
    def is_first(self) -> bool:
        """Whether this one writes files and talks."""
        return bool(self._accelerator.is_main_process)

    def autocast(self) -> AbstractContextManager[Any]:
        """Compute in mixed precision inside of this, where it was asked for."""
        context: AbstractContextManager[Any] = self._accelerator.autocast()
        return context

    def wait(self) -> None:
        """Wait until all processes are here."""
        self._accelerator.wait_for_everyone()

    def step(
        self,
        optimizer: torch.optim.Optimizer,
        loss: Tensor,
        clip_norm: float = math.inf,
    ) -> None:
        """Make a step with the mean gradients of all processes, and clear them.

        The same parameters have gradients in all processes.

        Parameters
        ----------
        optimizer : torch.optim.Optimizer
            What makes the step.
        loss : Tensor
            What the gradients are of.
        clip_norm : float
            Longer gradients are shortened to this.

        Raises
        ------
        FloatingPointError
            If the loss or a gradient is not a number; the weights stay.
        """
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._average_gradients(parameters)
        norm = torch.nn.utils.clip_grad_norm_(parameters, clip_norm)
        if not math.isfinite(loss.item()) or not math.isfinite(norm.item()):
            raise FloatingPointError("The loss or a gradient is not a number.")
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def _average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        if self.count == 1:
            return
        gradients = [each.grad for each in parameters if each.grad is not None]
        together: Tensor = self._accelerator.reduce(
            torch.cat([gradient.flatten() for gradient in gradients]), "mean"
        )
        start = 0
        for gradient in gradients:
            part = together[start : start + gradient.numel()]
            gradient.copy_(part.view_as(gradient))
            start += gradient.numel()
