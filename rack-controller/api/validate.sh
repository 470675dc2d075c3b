#!/usr/bin/env bash
# Lets a stranger judge the document of the rack's API: openapi-spec-validator, against the OpenAPI 3.1 specification.
#
#   rack-controller/api/validate.sh
#
# Its Python environment is kept in $CARGO_TARGET_DIR/validators-openapi. Exits 1 where the document breaks the specification. Where the
# tool cannot be had (no Python, no registry), the last line says `skipped: WHY`, exit 0.
set -euo pipefail

VALIDATOR=0.9.0

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tools=${CARGO_TARGET_DIR:-$here/../../target}/validators-openapi
stamp="$tools/openapi-spec-validator-$VALIDATOR"

skip() {
    echo "skipped: $*"
    exit 0
}

if [ ! -e "$stamp" ]; then
    python3 -m venv "$tools" || skip "python3 -m venv failed; on Debian and Ubuntu: apt-get install python3-venv"
    "$tools/bin/pip" install --quiet --disable-pip-version-check "openapi-spec-validator==$VALIDATOR" ||
        skip "pip could not install openapi-spec-validator $VALIDATOR"
    touch "$stamp"
fi
"$tools/bin/openapi-spec-validator" --schema 3.1 "$here/openapi.json"
