"""Does what `kafka-acls --add` does, for the commands on the standard input; with `--remove` before
the broker it takes the rights away. Ends when the broker goes by it.

    python grant.py [--remove] BROKER USER PASSWORD < commands
"""

import argparse
import shlex
import sys
import time

from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

DEADLINE_S = 30
LOOK_S = 0.05


def bindings(command):
    parser = argparse.ArgumentParser()
    parser.add_argument("tool", choices=["kafka-acls"])
    parser.add_argument("--add", action="store_true", required=True)
    parser.add_argument("--allow-principal", required=True)
    parser.add_argument("--operation", action="append", required=True)
    parser.add_argument("--topic")
    parser.add_argument("--group")
    parser.add_argument("--transactional-id")
    parser.add_argument("--resource-pattern-type", default="literal")
    said = parser.parse_args(shlex.split(command))
    named = [
        (ResourceType.TOPIC, said.topic),
        (ResourceType.GROUP, said.group),
        (ResourceType.TRANSACTIONAL_ID, said.transactional_id),
    ]
    ((kind, name),) = [one for one in named if one[1] is not None]
    for operation in said.operation:
        yield (
            kind,
            name,
            ResourcePatternType[said.resource_pattern_type.upper()],
            said.allow_principal,
            "*",
            AclOperation[operation.upper()],
            AclPermissionType.ALLOW,
        )


def main():
    removes = sys.argv[1] == "--remove"
    broker, user, password = sys.argv[-3:]
    client = AdminClient(
        {
            "bootstrap.servers": broker,
            "security.protocol": "sasl_plaintext",
            "sasl.mechanism": "PLAIN",
            "sasl.username": user,
            "sasl.password": password,
        }
    )
    wanted = [one for command in sys.stdin for one in bindings(command)]
    if removes:
        done = client.delete_acls([AclBindingFilter(*one) for one in wanted])
    else:
        done = client.create_acls([AclBinding(*one) for one in wanted])
    for future in done.values():
        future.result()
    until = time.monotonic() + DEADLINE_S
    for one in wanted:
        while bool(client.describe_acls(AclBindingFilter(*one)).result()) == removes:
            if time.monotonic() > until:
                sys.exit(f"{one} is not in force")
            time.sleep(LOOK_S)


if __name__ == "__main__":
    main()
