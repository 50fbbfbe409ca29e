"""A file among the fields of a request body."""

from __future__ import annotations

from typing import Any, BinaryIO, cast

from django.core.files.uploadedfile import UploadedFile
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tandem.files.checked import CheckedFile, NotTaken
from tandem.files.documents import read_picture_or_document
from tandem.files.images import read_picture


@extend_schema_field({"type": "string", "format": "binary"})
class PictureField(serializers.Field[Any, Any, Any, Any]):
    """A picture in a multipart form, checked and written anew (`images.read_picture`)."""

    default_error_messages = {"not_a_file": "Send the picture as a file, in a form (multipart/form-data)."}

    def to_internal_value(self, data: Any) -> CheckedFile:
        if not isinstance(data, UploadedFile):
            self.fail("not_a_file")
        try:
            return self.read(cast(BinaryIO, data), data.size or 0)
        except NotTaken as refused:
            raise serializers.ValidationError(str(refused)) from None

    def read(self, file: BinaryIO, size: int) -> CheckedFile:
        return read_picture(file, size=size)

    def to_representation(self, value: CheckedFile) -> str:
        return value.ending


@extend_schema_field({"type": "string", "format": "binary"})
class PictureOrDocumentField(PictureField):
    """A picture, or a PDF (`documents.read_picture_or_document`)."""

    default_error_messages = {"not_a_file": "Send it as a file, in a form (multipart/form-data)."}

    def read(self, file: BinaryIO, size: int) -> CheckedFile:
        return read_picture_or_document(file, size=size)
