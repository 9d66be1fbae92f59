"""`avtomat schema`: print a JSON Schema that is shipped with this version."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from avtomat.resources import schema_names, schema_text


def add_arguments(parser: ArgumentParser) -> None:
    """The name of the schema."""
    parser.add_argument("name", nargs="?", default="blueprint", help=f"one of {', '.join(schema_names())}")
    parser.add_argument("--list", action="store_true", help="print the names of all schemas instead")


def run(args: Namespace) -> int:
    """Print the schema as it lies in the package."""
    print("\n".join(schema_names()) if args.list else schema_text(args.name).rstrip("\n"))
    return 0
