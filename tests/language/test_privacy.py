"""Sentences that look like patient data are recognised, ordinary requests are not."""

from __future__ import annotations

import pytest

from napari_spinalsam.language.privacy import held_back, patient_data_in


def wide(text: str) -> str:
    """Write letters and signs as wide as Chinese input methods may."""
    return "".join(chr(ord(sign) + 0xFEE0) for sign in text)


SUSPECT = {
    "a date": [
        "load the scan of 2024-03-05",
        "DOB 12.03.1956",
        "3/5/24 please",
        "the one from March 5, 2024",
        "5 Mar 1980",
        "she was born there",
        "2024年3月5日的图",
        "二〇二四年三月五日",
        "出生于北京",
    ],
    "a number of a patient": [
        "MRN 12",
        "patient ID 12",
        "case number 7",
        "0012345",
        wide("1234567"),
        "1 2 3 4 5 6 7",
        "123 456 789 0123",
        "ID AB123456",
        "sub-014",
        "1.2.840.113619.2.55",
        "住院号 12",
        "病历号：A1",
        "身份证 110101199003074512",
        "一三八零零一三八",
    ],
    "a telephone number": [
        "+49 170 1234",
        "138-1234-5678",
        "phone: 12345",
        "手机",
    ],
    "an e-mail address": [
        "ask a.b@clinic.de",
        "a\u200bb@clinic.de",
        wide("a@clinic.de"),
    ],
    "a path or file name": [
        "C:\\scans\\x",
        "/home/me/x",
        "~/scans",
        "../x",
        "open smith.nii.gz",
        "\\\\server\\share",
        "https://x.y",
    ],
    "the name of a person": [
        "segment John Smith",
        "segment L3 of JOHN SMITH",
        "Müller, Hans",
        "Mr Miller",
        "Mrs. Jones",
        "Dr. House says L3",
        "for Thompson",
        "Smith's L3",
        "smith's scan",
        "patient smith",
        "the man named ok",
        "姓名：王小明",
        "患者张三的腰椎",
        "打开李明的CT",
        "王先生的片子",
        "李女士",
        "叫王伟",
    ],
}
ORDINARY = [
    "go to slice 120",
    "level 300 width 1500",
    "level 300 1500",
    "W1500 L300",
    "WL 400 WW 2000",
    "slices 100 to 200",
    "L4/5 and T12-L1",
    "add 3 positive points on L1, L2 and L3",
    "Clear All Points",
    "Set the Soft Tissue window",
    "MR window",
    "Measure Dice and HD95, please",
    "show the patient's spine",
    "today's scan",
    "points/boxes",
    "Is there a GPU?",
    "Save as DICOM SEG",
    "Let's go",
    "分割第三腰椎",
    "下一张图",
    "把这一张图的点清掉",
    "全部方框的图层",
    "窗位三百窗宽一千五",
    "选择L4-L5椎间盘",
]


@pytest.mark.parametrize(
    ("found", "text"), [(found, t) for found, texts in SUSPECT.items() for t in texts]
)
def test_patient_data_are_recognised(found: str, text: str) -> None:
    assert patient_data_in(text) == found


@pytest.mark.parametrize("text", ORDINARY)
def test_ordinary_requests_are_not_held_back(text: str) -> None:
    assert patient_data_in(text) is None


def test_the_question_says_what_was_found_and_that_nothing_was_sent() -> None:
    asked = held_back("a date", "api.deepseek.com", "en").question
    assert "(a date)" in asked
    assert "not sent to api.deepseek.com" in asked
    found = patient_data_in("3月5日", "zh")
    assert found == "日期"
    assert "没有发送" in held_back(found, "api.deepseek.com", "zh").question
