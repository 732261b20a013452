"""The command `napari-spinalsam`: the same headless code as the window drives.

Exit code 0: done. 2: the input is at fault, and one line on standard error says what
is wrong and what to do.
"""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING, NoReturn

from napari_spinalsam import __version__
from napari_spinalsam.cli.terminal import (
    PROGRAM,
    flush,
    forget_output,
    own_streams,
    say,
)
from napari_spinalsam.core.errors import SpinalSamError

if TYPE_CHECKING:
    from collections.abc import Sequence

INPUT_AT_FAULT = 2
INTERRUPTED = 130
DEFAULT_MODEL = "spinalsam-tiny"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        say(f"{message}; see {self.prog} --help.")
        raise SystemExit(INPUT_AT_FAULT)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str or None
        Without the name of the program; None takes those of the process.

    Returns
    -------
    int
        Exit code: 0, 2 for bad input, 130 when interrupted.
    """
    try:
        with own_streams() as told:
            code = _run(arguments)
            if code == 0:
                for sentence in told:
                    say(sentence)
            return code
    except BrokenPipeError:  # who reads the output has seen enough
        forget_output()
        return 0


def _run(arguments: Sequence[str] | None) -> int:
    try:
        try:
            options = build_parser().parse_args(arguments)
            options.run(options)
        finally:
            flush()
    except SpinalSamError as error:
        say(str(error))
        return INPUT_AT_FAULT
    except KeyboardInterrupt:
        say("interrupted.")
        return INTERRUPTED
    return 0


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; `run` of its result carries the command out."""
    parser = _Parser(
        prog=PROGRAM, description="Segment the spine in CT and MR without a window."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_segment(commands)
    _add_evaluate(commands)
    _add_models(commands)
    _add_verify(commands)
    _add_benchmark(commands)
    _add_parse(commands)
    info = commands.add_parser("info", help="versions, device and models")
    info.set_defaults(run=_info)
    _add_json(info)
    return parser


def _add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print one JSON object")


def _millimetres(text: str) -> float:
    """Return a number above zero."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of mm above 0")
    return number


def _add_segment(
    commands: argparse._SubParsersAction[_Parser],
) -> None:
    segment = commands.add_parser("segment", help="labels from prompts or names")
    segment.add_argument("image", metavar="IMAGE", help="CT or MR, a volume or flat")
    segment.add_argument("--prompts", metavar="FILE", help="JSON with the prompts")
    segment.add_argument(
        "--structures",
        metavar="LIST",
        help="vertebrae to find: names with commas between, or cervical, thoracic, "
        "lumbar, spine; prompts are then the known vertebrae to count from",
    )
    segment.add_argument(
        "--start",
        metavar="LABELS",
        help="labels of the image to go on from, in the numbering of VerSe; what is "
        "prompted, and in --structures if that is given, is replaced, all else stays",
    )
    segment.add_argument(
        "-o",
        "--output",
        metavar="OUT",
        required=True,
        help="labels: .nii.gz, .nrrd, .mha",
    )
    segment.add_argument(
        "--save-annotation",
        metavar="FILE",
        help="also save prompts, labels and how they came about as a .spinalsam file, "
        "which the window opens",
    )
    segment.add_argument(
        "--model", metavar="NAME|FILE", default=DEFAULT_MODEL, help="%(default)s"
    )
    segment.add_argument(
        "--adapter", metavar="FILE", help="trained on that model, to put on it"
    )
    segment.add_argument(
        "--window",
        metavar="PRESET|L,W",
        help="bone, soft_tissue, disc, lung, full, or level and width; "
        "bone for CT, else by percentiles",
    )
    segment.add_argument(
        "--pixel-mm",
        metavar="MM",
        type=_millimetres,
        help="side of a pixel of a picture, in place of what its file says; without "
        "either it is taken from what the model sees",
    )
    segment.add_argument(
        "--device", choices=("auto", "cpu", "cuda", "mps"), default="auto"
    )
    segment.set_defaults(run=_segment)
    _add_json(segment)


def _add_evaluate(
    commands: argparse._SubParsersAction[_Parser],
) -> None:
    evaluate = commands.add_parser("evaluate", help="metrics of labels")
    evaluate.add_argument("prediction", metavar="PREDICTION", help="labels to judge")
    evaluate.add_argument("reference", metavar="REFERENCE", help="labels held for true")
    evaluate.add_argument(
        "--labels", metavar="LIST", help="names or numbers, with commas between"
    )
    evaluate.set_defaults(run=_evaluate)
    _add_json(evaluate)


def _add_models(
    commands: argparse._SubParsersAction[_Parser],
) -> None:
    models = commands.add_parser("models", help="known models and their weights")
    verbs = models.add_subparsers(required=True, metavar="list|download")
    listing = verbs.add_parser("list", help="names, and where the weights are")
    listing.set_defaults(run=_models_list)
    _add_json(listing)
    download = verbs.add_parser("download", help="fetch weights and check them")
    download.add_argument("name", metavar="NAME", help="as in the list")
    download.set_defaults(run=_models_download)
    _add_json(download)


def _add_verify(
    commands: argparse._SubParsersAction[_Parser],
) -> None:
    verify = commands.add_parser("verify", help="parameters of a checkpoint")
    verify.add_argument("checkpoint", metavar="CHECKPOINT", help="file or model name")
    verify.add_argument(
        "--model", metavar="NAME", help="network to compare with; else by the file"
    )
    verify.set_defaults(run=_verify)
    _add_json(verify)


def _add_benchmark(
    commands: argparse._SubParsersAction[_Parser],
) -> None:
    benchmark = commands.add_parser("benchmark", help="latencies on this machine")
    benchmark.add_argument(
        "--model", metavar="NAME|FILE", default=DEFAULT_MODEL, help="%(default)s"
    )
    benchmark.add_argument(
        "--device", choices=("auto", "cpu", "cuda", "mps"), default="auto"
    )
    benchmark.set_defaults(run=_benchmark)
    _add_json(benchmark)


def _add_parse(
    commands: argparse._SubParsersAction[_Parser],
) -> None:
    parse = commands.add_parser(
        "parse", help='sentences, a line of JSON each ({"text": "..."}), to actions'
    )
    parse.add_argument(
        "--parser",
        choices=("offline", "llm"),
        default="offline",
        help="%(default)s uses no network",
    )
    parse.set_defaults(run=_parse)


# Each command imports what it needs when it runs, so that --help is quick.


def _segment(options: argparse.Namespace) -> None:
    from napari_spinalsam.cli.segment import run

    run(options)


def _evaluate(options: argparse.Namespace) -> None:
    from napari_spinalsam.cli.evaluate import run

    run(options)


def _info(options: argparse.Namespace) -> None:
    from napari_spinalsam.cli.models import run_info

    run_info(options)


def _models_list(options: argparse.Namespace) -> None:
    from napari_spinalsam.cli.models import run_list

    run_list(options)


def _models_download(options: argparse.Namespace) -> None:
    from napari_spinalsam.cli.models import run_download

    run_download(options)


def _verify(options: argparse.Namespace) -> None:
    from napari_spinalsam.cli.models import run_verify

    run_verify(options)


def _benchmark(options: argparse.Namespace) -> None:
    from napari_spinalsam.cli.benchmark import run

    run(options)


def _parse(options: argparse.Namespace) -> None:
    from napari_spinalsam.cli.parse import run

    run(options)
