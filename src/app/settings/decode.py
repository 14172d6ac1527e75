"""The settings of a route that decodes: which registry, how to log in there, and how what JSON has no form for is written."""

from __future__ import annotations

from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, Field, SecretStr, model_validator

from doka.app.settings.fields import Region, Section, Text, check_http_url


def check_registry_url(text: str) -> str:
    """Take the URL of a registry.

    Raises:
        ValueError: it is not `scheme://host[:port][/path]`.
    """
    return check_http_url(
        text,
        example="https://registry.example:8081",
        secrets="write them into username and password_file beside it",
    )


RegistryUrl = Annotated[str, AfterValidator(check_registry_url)]


_OF_CONFLUENT: Final = (
    "registry",
    "username",
    "password",
    "password_file",
    "ca_file",
    "certificate_file",
    "key_file",
    "descriptor_file",
)
"""What is said of a registry that has a URL."""


class DecodeSettings(Section):
    """Values that were written with a schema registry, decoded to JSON before anything else is done with them."""

    registry: RegistryUrl | None = Field(
        default=None,
        description="URL of a registry that speaks Confluent's API; by default nothing is decoded. See docs/decoding.md.",
        examples=["https://registry.example:8081"],
    )
    framing: Literal["confluent", "confluent_header", "glue"] = Field(
        default="confluent",
        description=(
            "How a value names its schema. confluent: in front of it; confluent_header: in a header, else in front of it; "
            "glue: as AWS Glue's serializers do, whose registry is asked with the credentials of this process."
        ),
    )
    region: Region | None = Field(default=None, description="Of AWS Glue; by default aws.region.")
    username: Text | None = Field(default=None, description="User name, where the registry asks for one.")
    password: SecretStr | None = Field(default=None, description="Its password; better in password_file.")
    password_file: Text | None = Field(
        default=None, description="File that holds the password; read anew for each question."
    )
    ca_file: Text | None = Field(
        default=None,
        description="PEM file of the authorities that the registry is trusted by; by default the system's.",
    )
    certificate_file: Text | None = Field(default=None, description="PEM file of a certificate to log in with.")
    key_file: Text | None = Field(default=None, description="PEM file of its key.")
    descriptor_file: Text | None = Field(
        default=None,
        description="Protobuf's descriptors, as protoc --include_imports --descriptor_set_out writes them; without it Protobuf is poison.",
    )
    timeout_seconds: Annotated[float, Field(strict=True, ge=0.1, le=10)] = Field(
        default=5, description="How long one question to the registry may take."
    )
    unions: Literal["plain", "tagged"] = Field(
        default="plain",
        description='Of Avro. plain: the value alone; tagged: {"string": "x"}, as Avro\'s own JSON encoding has it.',
    )
    bytes: Literal["base64", "hex", "latin1"] = Field(
        default="base64",
        description="How bytes are written; latin1: a character for each, as Avro's own JSON encoding has it.",
    )
    decimals: Literal["text", "number"] = Field(
        default="text", description='How decimals are written: "1.50", or 1.50.'
    )
    timestamps: Literal["iso", "number"] = Field(
        default="iso", description="How dates and times are written: as ISO 8601, or as the numbers that they are."
    )

    @property
    def enabled(self) -> bool:
        """Whether anything is decoded."""
        return self.registry is not None or self.framing == "glue"

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        changed = any(getattr(self, name) != field.default for name, field in type(self).model_fields.items())
        if self.framing == "glue":
            told = [name for name in _OF_CONFLUENT if getattr(self, name) is not None]
            if told:
                raise ValueError(f"has {told[0]}, which has no use with framing: glue; leave it out")
            return self
        if self.region is not None:
            raise ValueError("has a region, which is for framing: glue; leave it out")
        if self.registry is None and changed:
            raise ValueError("has no registry; name its URL in registry, or leave decode out")
        if self.username is None and (self.password is not None or self.password_file is not None):
            raise ValueError("has a password and no username; add it")
        if self.password is not None and self.password_file is not None:
            raise ValueError("has password beside password_file; keep the file")
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("needs certificate_file and key_file together; add the other")
        return self
