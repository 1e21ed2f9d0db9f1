"""A document for paper: from data to the same bytes every time, whatever the data is."""

import subprocess
import sys
from datetime import UTC, datetime
from hashlib import sha256
from io import BytesIO

import pytest
import typst
from pypdf import PdfReader

from reevit_server.core import typesetting
from tests.pictures import png

AT = datetime(2026, 11, 25, 9, 30, tzinfo=UTC)
TEMPLATE = """
#set text(font: "Noto Sans")
#let said = json(bytes(sys.inputs.said))
#for line in said.lines [#line #parbreak()]
"""
# More marks on one letter than Typst can count, and a cluster of three scripts that it loses its place in.
BREAKING = ("क" + "े" * 300, "\u05f4\u094d\u05ec\u200d")


def pdf(*lines: str, template: str = TEMPLATE) -> bytes:
    return typesetting.pdf(template, {"lines": lines}, pictures={}, at=AT)


def text_of(document: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(BytesIO(document)).pages)


def test_the_same_input_gives_the_same_bytes_in_another_process_too():
    script = f"""
from datetime import datetime
from hashlib import sha256
from reevit_server.core.typesetting import pdf
at = datetime.fromisoformat({AT.isoformat()!r})
print(sha256(pdf({TEMPLATE!r}, {{"lines": ["Ọlá ₵ 1"]}}, pictures={{}}, at=at)).hexdigest())
"""
    elsewhere = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert elsewhere.stdout.strip() == sha256(pdf("Ọlá ₵ 1")).hexdigest()
    assert pdf("Ọlá ₵ 1") == pdf("Ọlá ₵ 1") != pdf("Ọlá ₵ 2")


def test_a_document_says_when_it_was_made():
    told = PdfReader(BytesIO(pdf("anything"))).metadata
    assert told is not None
    assert told.creation_date == AT


def test_what_is_said_is_never_code():
    lines = (
        "#panic()",
        '#image("/etc/passwd")',
        "$ x^2 $",
        "= Heading",
        "*bold* _italic_",
        "`raw`",
        "\\ // $",
    )
    assert text_of(pdf(*lines)).splitlines() == list(lines)


def test_a_template_sees_no_file_of_the_machine():
    with pytest.raises(typst.TypstError, match="not found"):
        pdf(template='#read("/etc/hostname")')


def test_a_template_sees_its_pictures():
    template = '#image("logo.png")'
    document = typesetting.pdf(template, {}, pictures={"logo.png": png()}, at=AT)
    (page,) = PdfReader(BytesIO(document)).pages
    assert [picture.get_object()["/Width"] for picture in page["/Resources"]["/XObject"].values()] == [6]


@pytest.mark.parametrize("text", BREAKING, ids=["marks", "scripts"])
def test_what_typst_breaks_at_is_set_in_a_simpler_form(text: str):
    narrow = "#set page(width: 60pt, height: auto)" + TEMPLATE
    assert "beside it" in " ".join(text_of(pdf(text, "beside it", template=narrow)).split())


def test_a_template_that_typst_breaks_at_is_an_error_that_can_be_caught():
    with pytest.raises(typesetting.Panicked):
        pdf(template=f'#set text(font: "Noto Sans")\n{BREAKING[0]}')
