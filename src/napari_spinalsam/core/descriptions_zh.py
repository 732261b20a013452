"""Actions in Chinese words; see `descriptions` for the English ones."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from napari_spinalsam.core import actions as a
from napari_spinalsam.core.action_fields import ALL_METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping

_FIXED: Mapping[str, str] = MappingProxyType(
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
    return _FIXED.get(action.action) or _viewing(action) or _editing(action)


def _viewing(action: a.Action) -> str | None:
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


def _editing(action: a.Action) -> str:
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
