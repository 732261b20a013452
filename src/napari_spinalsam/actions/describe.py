"""Actions in words, for a plan that is shown before it runs and for the history."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from napari_spinalsam.actions import models as a
from napari_spinalsam.actions.models import ALL_METRICS
from napari_spinalsam.core.anatomy import REGIONS, structure

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIXED_ZH: Mapping[str, str] = MappingProxyType(
    {
        "open_image": "打开图像",
        "open_sample": "打开示例 CT",
        "previous_image": "切换到上一张图像",
        "next_image": "切换到下一张图像",
        "generate_point_mask": "由点生成掩码",
        "generate_box_mask": "由框生成掩码",
        "generate_mask": "生成掩码",
        "accept_mask": "接受掩码",
        "reject_mask": "放弃掩码",
        "clear_points": "清除所有点",
        "clear_boxes": "清除所有框",
        "clear_all": "清除所有提示和预览",
        "cancel": "停止正在进行的任务",
        "next_candidate": "显示下一个候选掩码",
        "previous_candidate": "显示上一个候选掩码",
        "check_gpu": "检查 GPU",
        "verify_parameters": "校验模型参数",
        "show_help": "显示帮助",
    }
)
_PLANES = MappingProxyType(
    {"axial": "横断面", "sagittal": "矢状面", "coronal": "冠状面"}
)
_PRESETS = MappingProxyType(
    {
        "bone": "骨窗",
        "soft_tissue": "软组织窗",
        "disc": "椎间盘窗",
        "lung": "肺窗",
        "full": "全范围窗",
    }
)
_METRICS = MappingProxyType(
    {"dice": "Dice", "iou": "IoU", "msd": "MSD", "hd95": "HD95", "volume": "体积"}
)
_LAYERS = MappingProxyType(
    {
        "image": "图像",
        "labels": "标签",
        "points": "点",
        "boxes": "框",
        "reference": "参考",
    }
)
_DIRECTIONS = MappingProxyType({"both": "双向", "forward": "正向", "backward": "反向"})
_FORMATS = MappingProxyType(
    {"nifti": "NIfTI", "nrrd": "NRRD", "dicom_seg": "DICOM SEG"}
)
_PLACES = MappingProxyType(
    {
        "cervical": "颈椎",
        "thoracic": "胸椎",
        "lumbar": "腰椎",
        "spine": "整个脊柱",
        "discs": "所有椎间盘",
        "sacrum": "骶骨",
        "coccyx": "尾骨",
        "spinal_canal": "椎管",
        "spinal_cord": "脊髓",
    }
)


def describe_zh(action: a.Action) -> str:
    """Say in Chinese what an action does, such as "在 L3 添加 3 个正点"."""
    return _FIXED_ZH.get(action.action) or _viewing_zh(action) or _editing_zh(action)


def _viewing_zh(action: a.Action) -> str | None:
    match action:
        case a.GoToSlice(index=index):
            return f"转到第 {index} 层"
        case a.MoveSlice(offset=offset):
            return f"{'向后' if offset > 0 else '向前'}移动 {abs(offset)} 层"
        case a.SetPlane(plane=plane):
            return f"显示{_PLANES[plane]}"
        case a.SetWindow(preset=str(preset)):
            return f"设为{_PRESETS[preset]}"
        case a.SetWindow(level=level, width=width):
            return f"窗位设为 {level:g}，窗宽设为 {width:g}"
        case a.Measure(metrics=metrics, structure=name):
            every = metrics == ALL_METRICS
            what = "" if every else "的" + "、".join(_METRICS[m] for m in metrics)
            return f"测量{_place(name) if name else '所有结构'}{what}"
        case a.SetVisibility(layer=layer, visible=visible):
            return f"{'显示' if visible else '隐藏'}{_LAYERS[layer]}"
        case a.SetStructureVisibility(structure=name, visible=visible):
            return f"{'显示' if visible else '隐藏'}{_place(name)}".rstrip()
        case a.SetViews(views=views):
            return "显示三个视图" if views == "three" else "只显示一个视图"
        case _:
            return None


def _editing_zh(action: a.Action) -> str:
    match action:
        case a.SelectStructure(structure=name):
            return f"选择{_place(name)}"
        case a.AddPoints(count=count, polarity=polarity, structure=name):
            sign = "正" if polarity == "positive" else "负"
            return f"{f'在{_place(name)}' if name else ''}添加 {count} 个{sign}点"
        case a.AddBox(structure=name):
            return f"{f'在{_place(name)}' if name else ''}添加框"
        case a.SegmentStructures(structures=names):
            return f"分割{'、'.join(_place(name) for name in names)}"
        case a.Propagate(direction=direction, slices=slices):
            reach = f" {slices} 层" if slices else ""
            return f"{_DIRECTIONS[direction]}传播掩码{reach}"
        case a.Undo(steps=steps):
            return f"撤销 {steps} 步"
        case a.Redo(steps=steps):
            return f"重做 {steps} 步"
        case a.SetLock(structure=name, locked=locked):
            return f"{'锁定' if locked else '解锁'}{_place(name)}".rstrip()
        case a.RenameStructure(structure=name, to=to):
            return f"将{_place(name)}改名为{_place(to)}".rstrip()
        case a.MergeStructures(structure=name, into=into):
            return f"将{_place(name)}合并到{_place(into)}".rstrip()
        case a.DeleteStructure(structure=name):
            return f"删除{_place(name)}及其标签和提示"
        case a.ShiftNames(levels=levels):
            return f"所有名称{'下移' if levels > 0 else '上移'} {abs(levels)} 个节段"
        case a.SetPixelSize(mm=mm):
            return f"将像素大小设为 {mm:g} mm"
        case a.SaveLabels(format=kind):
            return f"将标签保存为 {_FORMATS[kind]}"
        case _:  # a new action without words of its own
            return action.action


def _place(name: str) -> str:
    if "-" in name:
        return f" {name} 椎间盘"
    return _PLACES.get(name, f" {name} ")


_FIXED: Mapping[str, str] = MappingProxyType(
    {
        "open_image": "Open an image",
        "open_sample": "Open the sample CT",
        "previous_image": "Go to the previous image",
        "next_image": "Go to the next image",
        "generate_point_mask": "Generate a mask from the points",
        "generate_box_mask": "Generate a mask from the box",
        "generate_mask": "Generate a mask",
        "accept_mask": "Accept the mask",
        "reject_mask": "Reject the mask",
        "clear_points": "Clear the points",
        "clear_boxes": "Clear the boxes",
        "clear_all": "Clear all prompts and the preview",
        "cancel": "Stop the running job",
        "next_candidate": "Show the next candidate mask",
        "previous_candidate": "Show the previous candidate mask",
        "check_gpu": "Check the GPU",
        "verify_parameters": "Verify the parameters of the model",
        "show_help": "Show help",
    }
)
_METRIC_NAMES: Mapping[str, str] = MappingProxyType(
    {"dice": "Dice", "iou": "IoU", "msd": "MSD", "hd95": "HD95", "volume": "volume"}
)
_FORMAT_NAMES: Mapping[str, str] = MappingProxyType(
    {"nifti": "NIfTI", "nrrd": "NRRD", "dicom_seg": "DICOM SEG"}
)


def describe(action: a.Action, language: Literal["en", "zh"] = "en") -> str:
    """Say what an action does, such as "Add 3 positive points in L3"."""
    if language == "zh":
        return describe_zh(action)
    return _FIXED.get(action.action) or _viewing(action) or _editing(action)


def _viewing(action: a.Action) -> str | None:
    match action:
        case a.GoToSlice(index=index):
            return f"Go to slice {index}"
        case a.MoveSlice(offset=offset):
            side = "forward" if offset > 0 else "back"
            return f"Move {side} by {_count(abs(offset), 'slice')}"
        case a.SetPlane(plane=plane):
            return f"Show the {plane} plane"
        case a.SetWindow(preset=str(preset)):
            return f"Set the {preset.replace('_', ' ')} window"
        case a.SetWindow(level=level, width=width):
            return f"Set the window to level {level:g}, width {width:g}"
        case a.Measure(metrics=metrics, structure=name):
            every = metrics == ALL_METRICS
            what = "" if every else " ".join(_listed(_METRIC_NAMES, metrics)) + " of "
            return f"Measure {what}{_named(name) if name else 'all structures'}"
        case a.SetVisibility(layer=layer, visible=visible):
            return f"{'Show' if visible else 'Hide'} the {layer}"
        case a.SetStructureVisibility(structure=name, visible=visible):
            return f"{'Show' if visible else 'Hide'} {_named(name)}"
        case a.SetViews(views=views):
            return "Show three views" if views == "three" else "Show one view"
        case _:
            return None


def _editing(action: a.Action) -> str:
    match action:
        case a.SelectStructure(structure=name):
            return f"Select {_named(name)}"
        case a.AddPoints(count=count, polarity=polarity, structure=name):
            return f"Add {_count(count, f'{polarity} point')}{_within(name)}"
        case a.AddBox(structure=name):
            return "Add a box" + (f" around {_named(name)}" if name else "")
        case a.SegmentStructures(structures=names):
            return f"Segment {', '.join(_named(name) for name in names)}"
        case a.Propagate(direction=direction, slices=slices):
            way = "in both directions" if direction == "both" else direction
            reach = f" by {_count(slices, 'slice')}" if slices else ""
            return f"Propagate the mask {way}{reach}"
        case a.Undo(steps=steps):
            return f"Undo {_count(steps, 'step')}"
        case a.Redo(steps=steps):
            return f"Redo {_count(steps, 'step')}"
        case a.SetLock(structure=name, locked=locked):
            return f"{'Lock' if locked else 'Unlock'} {_named(name)}"
        case a.RenameStructure(structure=name, to=to):
            return f"Rename {_named(name)} to {_named(to)}"
        case a.MergeStructures(structure=name, into=into):
            return f"Merge {_named(name)} into {_named(into)}"
        case a.DeleteStructure(structure=name):
            return f"Delete {_named(name)}, its labels and prompts"
        case a.ShiftNames(levels=levels):
            side = "down" if levels > 0 else "up"
            return f"Shift all names {side} {_count(abs(levels), 'level')}"
        case a.SetPixelSize(mm=mm):
            return f"Set the pixel size to {mm:g} mm"
        case a.SaveLabels(format=kind):
            return f"Save the labels as {_FORMAT_NAMES[kind]}"
        case _:  # a new action without words of its own
            return action.action.replace("_", " ").capitalize()


def _count(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _named(name: str) -> str:
    if name in REGIONS:
        return {"spine": "the spine", "discs": "the discs"}.get(
            name, f"the {name} spine"
        )
    return "S1" if name == "S1" else structure(name).display_name


def _within(name: str | None) -> str:
    return f" in {_named(name)}" if name else ""


def _listed(words: Mapping[str, str], keys: tuple[str, ...]) -> list[str]:
    names = [words[key] for key in keys]
    return [*(f"{n}," for n in names[:-2]), " and ".join(names[-2:])]
