"""Replays the golden vectors with Google's protobuf runtime and protovalidate for Python.

Another implementation of both formats and of the limits, sharing no code with the one that wrote the vectors. It knows
the contract only by the descriptor set that `buf build -o` writes.

    python replay.py DESCRIPTOR_SET VECTORS_FOLDER

Prints each vector that does not hold, and at the end one line with the counts; exits 1 if any does not hold.
"""

import json
import pathlib
import sys
from collections import Counter

import protovalidate
from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
from google.protobuf.message import DecodeError, Message


def load_messages(descriptor_set: pathlib.Path):
    """A function from a message's full name to its class, and the names of all messages of ours."""
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set.read_bytes())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    ours = {
        f"{file.package}.{message.name}"
        for file in files.file
        if file.package.startswith("iotdh.")
        for message in file.message_type
    }

    def message_class(name: str) -> type[Message]:
        return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))

    return message_class, ours


def from_json(message_class: type[Message], text: str) -> Message:
    return json_format.Parse(text, message_class())


def to_json(message: Message) -> object:
    return json.loads(json_format.MessageToJson(message))


def field_path(violation) -> str:
    """The path as the index writes it: names joined by dots, subscripts in brackets."""
    path = ""
    for element in violation.proto.field.elements if violation.proto.field else []:
        path += ("." if path else "") + element.field_name
        subscript = element.subscript
        if subscript is not None:
            value = subscript.value
            path += f'["{value}"]' if isinstance(value, str) else f"[{value}]"
    return path


def broken_rules(message: Message) -> list[str]:
    violations = protovalidate.collect_violations(message)
    return sorted({f"{field_path(violation)}: {violation.proto.rule_id}" for violation in violations})


def problems_of(vector: dict, root: pathlib.Path, message_class: type[Message]) -> list[str]:
    """Why the vector does not hold; empty if it does."""
    binary = (root / vector["binary"]).read_bytes() if "binary" in vector else None
    text = (root / vector["json"]).read_text("utf-8") if "json" in vector else None
    if vector["kind"] == "malformed":
        return problems_of_malformed(binary, text, message_class)
    problems = []
    message = message_class.FromString(binary)
    if message_class.FromString(message.SerializeToString()) != message:
        problems.append("changes when it is written and read again")
    if len(message.SerializeToString()) != len(binary):
        problems.append(f"is written as {len(message.SerializeToString())} bytes instead of {len(binary)}")
    if text is not None:
        if from_json(message_class, text) != message:
            problems.append("the JSON reads as another message than the binary form")
        if to_json(message) != json.loads(text):
            problems.append("the binary form is written as other JSON")
    rules = broken_rules(message)
    if rules != vector.get("violates", []):
        problems.append(f"breaks {rules} instead of {vector.get('violates', [])}")
    return problems


def problems_of_malformed(binary, text, message_class: type[Message]) -> list[str]:
    try:
        if binary is not None:
            message_class.FromString(binary)
        else:
            from_json(message_class, text)
    except (DecodeError, json_format.ParseError):
        return []
    return ["was read although it is malformed"]


def main() -> int:
    descriptor_set, root = (pathlib.Path(argument) for argument in sys.argv[1:3])
    message_class, ours = load_messages(descriptor_set)
    vectors = json.loads((root / "vectors.json").read_text("utf-8"))["vectors"]
    failed = 0
    for vector in vectors:
        try:
            problems = problems_of(vector, root, message_class(vector["type"]))
        except Exception as error:  # whatever a runtime raises is a vector that does not hold
            problems = [f"{type(error).__name__}: {error}"]
        for problem in problems:
            print(f"{vector['type']} {vector['case']}: {problem}")
        failed += bool(problems)
    for name in sorted(ours - {vector["type"] for vector in vectors if vector["kind"] == "valid"}):
        print(f"{name} has no valid vector")
        failed += 1
    counts = Counter(vector["kind"] for vector in vectors)
    print(json.dumps({"replayed": len(vectors), "failed": failed, **counts}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
