"""Letters as they travel: RFC 5322, with a header that nobody can write into.

The header is put together here, one line after the other, and only the bodies by the standard library: its `email`
package reads what it is given, and in some versions decodes `=?utf-8?q?=0d=0aBcc:...?=` into a header of its own.
"""

import base64
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, quote

import email_validator

from reevit_server.providers.sending import Attachment, Email, sendable

SUBJECT_LENGTH_MAX = 998  # RFC 5322, 2.1.1: what one line may hold, if it were one
NAME_LENGTH_MAX = 255
_ADDRESS_LENGTH_MAX = 254
_FILENAME_LENGTH_MAX = 200
_CONTENT_ID_LENGTH_MAX = 60  # so that its header needs no second line; Resend takes 127
_PLAIN_LENGTH_MAX = 60
# RFC 2047, 2: an encoded word has at most 75 characters, and its line 76, which begins with the header's name.
_ENCODED_BYTES_MAX = 39
_POLICY = SMTP.clone(cte_type="7bit")  # every server takes that

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]{1,120}@[!-;=?A-~]{1,120}>")
_URL = re.compile(r"https?://[!-;=?-~]{1,900}")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+_-]{0,99}")
# Of signs that are themselves in a header, in a `cid:` URL (RFC 2392) and in HTML.
_CONTENT_ID = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._-]{{0,{_CONTENT_ID_LENGTH_MAX - 1}}}")
_COMPOSITE = ("multipart/", "message/")  # whose content is no file but more of a letter
_ONE_CLICK = "List-Unsubscribe=One-Click"


def checked(email: Email) -> Email:
    """The letter with its addresses in the form that travels. Raises ValueError, which says what is wrong with it."""
    _one_line(email.from_name, what="sender's name", longest=NAME_LENGTH_MAX)
    _one_line(email.subject, what="subject", longest=SUBJECT_LENGTH_MAX)
    if email.text is None and email.html is None:
        raise ValueError("The letter has neither text nor HTML.")
    sendable(email.text or "", what="text")
    sendable(email.html or "", what="HTML")
    if not _MESSAGE_ID.fullmatch(email.message_id):
        raise ValueError("Write the Message-ID as <id@domain>, in ASCII.")
    url = email.list_unsubscribe_url
    if url is not None and not _URL.fullmatch(url):
        raise ValueError("Write the address to unsubscribe at as a URL of at most 900 characters, in ASCII.")
    for attachment in email.attachments:
        _check_attachment(attachment)
    _check_pictures(email)
    return replace(
        email,
        from_address=_address(email.from_address, what="sender's address"),
        to=_address(email.to, what="recipient's address"),
        reply_to=_address(email.reply_to, what="address for replies") if email.reply_to is not None else None,
    )


def needs_utf8(email: Email) -> bool:
    """Whether a checked letter has an address that only a server with SMTPUTF8 (RFC 6531) takes: ámá@example.com."""
    return not (email.from_address + email.to + (email.reply_to or "")).isascii()


def built(email: Email) -> bytes:
    """The letter ready to be sent: with CRLF, and nothing but ASCII unless it `needs_utf8`. Raises ValueError."""
    email = checked(email)
    body = EmailMessage(policy=_POLICY)
    if email.text is not None:
        body.set_content(email.text)
    if email.html is not None:
        body.make_alternative()
        body.attach(_html(email.html, _pictures(email)))  # last, for readers show the last that they can show
    for filename, media_type, content, content_id in email.attachments:
        if content_id is None:
            kind, _, subtype = media_type.partition("/")
            body.add_attachment(content, maintype=kind, subtype=subtype, filename=filename)
    head = "".join(f"{name}: {value}\r\n" for name, value in _headers(email))
    return head.encode() + body.as_bytes()


def headers_beyond(email: Email) -> dict[str, str]:
    """The headers of a checked letter that an API for mail has no fields for."""
    headers = {"Message-ID": email.message_id}
    if email.list_unsubscribe_url is not None:
        headers["List-Unsubscribe"] = f"<{email.list_unsubscribe_url}>"
        # RFC 8058, 3.1: one click works over https only.
        if email.list_unsubscribe_url.startswith("https://"):
            headers["List-Unsubscribe-Post"] = _ONE_CLICK
    return headers


def mailbox(name: str, address: str) -> str:
    """`Ama's Shop <shop@example.com>`, its name in Unicode, quoted if it must be."""
    if not name:
        return address
    is_plain = all(character.isalnum() or character == " " for character in name)
    return f"{name} <{address}>" if is_plain else f'"{quote(name)}" <{address}>'


def _html(html: str, pictures: Sequence[Attachment]) -> EmailMessage:
    """The HTML, together with the pictures that it shows (RFC 2387)."""
    part = EmailMessage(policy=_POLICY)
    part.set_content(html, subtype="html")
    for filename, media_type, content, content_id in pictures:
        kind, _, subtype = media_type.partition("/")
        part.add_related(
            content,
            maintype=kind,
            subtype=subtype,
            filename=filename,
            disposition="inline",
            cid=f"<{content_id}>",
        )
    if pictures:
        part.set_param("type", "text/html")  # of the first part, which the library does not say
    return part


def _pictures(email: Email) -> list[Attachment]:
    return [attachment for attachment in email.attachments if attachment.content_id is not None]


def _headers(email: Email) -> Iterator[tuple[str, str]]:
    yield "Date", format_datetime(email.written_at or datetime.now(UTC))
    yield "From", _mailbox_in_ascii(email.from_name, email.from_address)
    yield "To", email.to
    if email.reply_to is not None:
        yield "Reply-To", email.reply_to
    yield "Subject", email.subject if _is_plain(email.subject) else _words(email.subject)
    yield from headers_beyond(email).items()


def _mailbox_in_ascii(name: str, address: str) -> str:
    if not name:
        return address
    return f'"{quote(name)}" <{address}>' if _is_plain(name) else f"{_words(name)}\r\n <{address}>"


def _is_plain(text: str) -> bool:
    """Whether a header may say it as it is: short, and nothing in it that a reader would decode or strip."""
    return text.isascii() and len(text) <= _PLAIN_LENGTH_MAX and "=?" not in text and text == text.strip()


def _words(text: str) -> str:
    """The text as encoded words (RFC 2047), one a line; none ends within a character."""
    chunks, chunk = [], b""
    for character in text:
        encoded = character.encode()
        if len(chunk) + len(encoded) > _ENCODED_BYTES_MAX:
            chunks.append(chunk)
            chunk = b""
        chunk += encoded
    return "\r\n ".join(f"=?utf-8?b?{base64.b64encode(chunk).decode()}?=" for chunk in (*chunks, chunk))


def _one_line(text: str, *, what: str, longest: int) -> None:
    if len(text) > longest:
        raise ValueError(f"The {what} has more than {longest} characters.")
    if found := _CONTROL.search(text):
        raise ValueError(
            f"The {what} has a control character in it (U+{ord(found[0]):04X} at position {found.start()})."
        )
    sendable(text, what=what)


def _address(text: str, *, what: str) -> str:
    """One address and nothing else, its domain in ASCII."""
    _one_line(text, what=what, longest=_ADDRESS_LENGTH_MAX)
    try:
        found = email_validator.validate_email(text, check_deliverability=False, globally_deliverable=False)
    except email_validator.EmailNotValidError as error:
        raise ValueError(f"The {what} is not one e-mail address: {error}") from None
    return f"{found.local_part}@{found.ascii_domain}"


def _check_attachment(attachment: Attachment) -> None:
    filename, media_type, _, content_id = attachment
    _one_line(filename, what="attachment's name", longest=_FILENAME_LENGTH_MAX)
    # The library would decode an encoded word in it, line breaks and all.
    if not filename.strip(" .") or "=?" in filename or any(sign in filename for sign in '/\\"'):
        raise ValueError("An attachment's name is that of a file, without slashes, quotation marks and =?.")
    if not _MEDIA_TYPE.fullmatch(media_type) or media_type.startswith(_COMPOSITE):
        raise ValueError("Write an attachment's media type as that of a file, such as application/pdf.")
    if content_id is None:
        return
    if not _CONTENT_ID.fullmatch(content_id):
        raise ValueError(
            "Write a picture's content_id in ASCII: letters, digits, dots, hyphens and underscores, at most "
            f"{_CONTENT_ID_LENGTH_MAX}."
        )
    if not media_type.startswith("image/"):
        raise ValueError("Only a picture has a content_id, such as image/png.")


def _check_pictures(email: Email) -> None:
    """Together they must be in HTML, each by a name of its own."""
    ids = [picture.content_id for picture in _pictures(email)]
    if ids and email.html is None:
        raise ValueError("There is a picture with a content_id, but no HTML that could show it.")
    if len(set(ids)) < len(ids):
        raise ValueError("Two pictures have the same content_id.")
