"""/api/{clients,services,leads}/{id}/files/. Contract A §11."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from PIL import Image

from tandem.academy.actions import files as actions
from tandem.academy.models import Client, Lead, Student
from tandem.academy.tests.api.test_clients import member
from tandem.common import moments
from tandem.events.models import Event
from tests.cast import ANONYMOUS, Api, as_

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("stored")]

PDF = b"%PDF-1.7\n1 0 obj\n<< >>\nendobj\ntrailer << >>\nstartxref\n9\n%%EOF\n"


def picture(kind: str = "PNG", name: str = "../../etc/passwd.html") -> SimpleUploadedFile:
    written = io.BytesIO()
    Image.new("RGB", (2, 2), "red").save(written, kind)
    return SimpleUploadedFile(name, written.getvalue(), "text/html")


def kept_in(stored: Path) -> list[Path]:
    return [path for path in stored.rglob("*") if path.is_file()]


def made(kind: str) -> tuple[str, Any]:
    """The address of a new record of a kind, and the record."""
    now = moments.now()
    stamps = {"created_at": now, "updated_at": now}
    client = Client.objects.create(name="Acme", **stamps)
    record: Any = client
    if kind == "services":
        record = Student.objects.create(name="Jane", client=client, **stamps)
    elif kind == "leads":
        record = Lead.objects.create(name="Maybe", stage="New", **stamps)
    return f"/api/{kind}/{record.pk}/", record


@pytest.mark.parametrize("kind", ["clients", "services", "leads"])
def test_it_works(kind: str, stored: Path, django_capture_on_commit_callbacks: Any) -> None:
    asha = as_("asha")
    url, record = made(kind)
    answer = asha.upload(f"{url}files/", {"file": picture()})
    assert answer.status_code == 201, answer.content
    first = answer.json()["url"]
    assert answer.json() == {"url": first, "list_of_images": [first]}
    second = asha.upload(f"{url}files/", {"file": SimpleUploadedFile("x.png", PDF)}).json()
    assert second["list_of_images"] == [first, second["url"]]
    assert asha.get(url).json()["list_of_images"] == [first, second["url"]]
    assert [event.type.split(".")[1] for event in Event.objects.all()] == ["updated", "updated"]
    for path in kept_in(stored):
        assert path.parent.name == str(record.pk), "the sender's name for it is not used"

    shown = ANONYMOUS.get(first)
    assert (shown["Content-Type"], shown["Content-Disposition"]) == ("image/png", "inline")
    pdf = ANONYMOUS.get(second["url"])
    assert (pdf["Content-Type"], pdf["Content-Disposition"]) == ("application/pdf", "attachment")
    assert (pdf["X-Content-Type-Options"], pdf["Content-Security-Policy"]) == (
        "nosniff",
        "sandbox; default-src 'none'",
    )

    with django_capture_on_commit_callbacks(execute=True):
        gone = asha.delete(f"{url}files/", {"url": first})
    assert (gone.status_code, gone.json()) == (200, {"list_of_images": [second["url"]]})
    assert ANONYMOUS.get(first).status_code == 404, "the old link is dead"
    assert ANONYMOUS.get(second["url"]).status_code == 200
    assert len(kept_in(stored)) == 1


def test_a_file_stays_until_its_removal_is_committed(stored: Path) -> None:
    asha = as_("asha")
    url, _ = made("clients")
    link = asha.upload(f"{url}files/", {"file": picture()}).json()["url"]
    assert asha.delete(f"{url}files/", {"url": link}).status_code == 200
    assert len(kept_in(stored)) == 1, "this test's transaction is not committed"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "SVG"),
        (b"<!doctype html><script>alert(1)</script>", "HTML"),
        (b"%PDF-1.7\n<script>alert(1)</script>", "not a whole PDF"),
        (PDF + b"<script>alert(1)</script>", "something behind the PDF"),
        (b"GIF89a<script>alert(1)</script>", "not a whole GIF"),
        (b"MZ\x90\x00", "a program"),
    ],
)
def test_it_refuses_what_is_neither_picture_nor_pdf(stored: Path, content: bytes, why: str) -> None:
    url, record = made("clients")
    answer = as_("asha").upload(f"{url}files/", {"file": SimpleUploadedFile("a.png", content, "image/png")})
    assert (answer.status_code, list(answer.json())) == (400, ["file"]), why
    assert "PDF" in answer.json()["file"][0]
    record.refresh_from_db()
    assert (record.images, kept_in(stored), Event.objects.count()) == ([], [], 0)


@pytest.mark.parametrize(
    ("kind", "size", "options"),
    [("WEBP", (4000, 3000), {"method": 0}), ("PNG", (5000, 4000), {}), ("JPEG", (8660, 5773), {})],
)
def test_ordinary_large_pictures_are_taken(kind: str, size: tuple[int, int], options: Any) -> None:
    url, _ = made("clients")
    written = io.BytesIO()
    Image.new("RGB", size, "red").save(written, kind, **options)
    answer = as_("asha").upload(f"{url}files/", {"file": SimpleUploadedFile("a", written.getvalue())})
    assert answer.status_code == 201, answer.content


def test_a_picture_that_is_kept_smaller_says_so() -> None:
    url, _ = made("clients")
    sizes = {}
    for side in (3000, 6000):
        written = io.BytesIO()
        Image.new("RGB", (side, side + 100), "red").save(written, "JPEG")
        answer = as_("asha").upload(f"{url}files/", {"file": SimpleUploadedFile("a.jpg", written.getvalue())})
        assert answer.status_code == 201, answer.content
        with Image.open(io.BytesIO(ANONYMOUS.get(answer.json()["url"]).getvalue())) as kept:
            sizes[kept.size] = answer.json().get("scaled_down")
    assert sizes == {(3000, 3100): None, (3000, 3050): {"from": [6000, 6100], "to": [3000, 3050]}}


@pytest.mark.parametrize("fields", [{}, {"file": "text"}, {"image": "x"}])
def test_a_form_without_a_file_is_refused(fields: Any) -> None:
    url, _ = made("clients")
    answer = as_("asha").upload(f"{url}files/", fields)
    assert (answer.status_code, list(answer.json())) == (400, ["file"])


def test_links_that_are_not_of_this_record_remove_nothing(stored: Path) -> None:
    asha = as_("asha")
    url, _ = made("clients")
    other, _ = made("leads")
    theirs = asha.upload(f"{other}files/", {"file": picture()}).json()["url"]
    for link in (theirs, "https://example.com/x.png", "http://[", "/api/files/", f"/api/files/client/{uuid4()}/x.png"):
        assert asha.delete(f"{url}files/", {"url": link}).status_code == 404, link
    assert asha.delete(f"{url}files/", {}).json() == {"url": ["This field is required."]}
    assert asha.get(other).json()["list_of_images"] == [theirs]


def test_an_expired_link_still_tells_which_file_to_remove() -> None:
    asha = as_("asha")
    url, _ = made("clients")
    link = asha.upload(f"{url}files/", {"file": picture()}).json()["url"]
    old = f"https://crm.example.com{link.partition('?')[0]}?expires=1&signature=x"
    assert asha.delete(f"{url}files/", {"url": old}).json() == {"list_of_images": []}


def test_it_needs_the_right_to_change() -> None:
    url, _ = made("clients")
    sales, management = member("Sales"), member("Management")
    link = sales.upload(f"{url}files/", {"file": picture()}).json()["url"]
    for api in (management, as_("chitra"), as_("wasim")):
        assert api.upload(f"{url}files/", {"file": picture()}).status_code == 403
        assert api.delete(f"{url}files/", {"url": link}).status_code == 403
    assert ANONYMOUS.upload(f"{url}files/", {"file": picture()}).status_code == 401
    missing = f"/api/clients/{uuid4()}/files/"
    assert sales.upload(missing, {"file": picture()}).status_code == 404
    assert sales.delete(missing, {"url": link}).status_code == 404


def test_the_list_is_the_servers_own() -> None:
    asha = as_("asha")
    url, _ = made("clients")
    link = asha.upload(f"{url}files/", {"file": picture()}).json()["url"]
    assert asha.patch(url, {"list_of_images": []}).json()["list_of_images"] == [link]


def test_a_refused_file_is_not_kept(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "MOST_FILES", 1)
    asha: Api = as_("asha")
    url, _ = made("clients")
    assert asha.upload(f"{url}files/", {"file": picture()}).status_code == 201
    refused = asha.upload(f"{url}files/", {"file": picture()})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_files")
    assert len(kept_in(stored)) == 1
