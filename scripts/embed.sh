#!/bin/sh
# Makes C strings of files: embed.sh FOLDER OUT.c OUT.h NAME=FILE...
#
# Each is embedded_NAME; FOLDER is the one, under src, whose header it is.
set -eu

folder=$1
code=$2
header=$3
shift 3
base=$(basename "$header")
guard=PGRIPPLE_$(echo "${folder}_$base" | tr 'a-z./' 'A-Z__')

# One character constant for each byte: a string literal of this length may be
# more than ISO C promises.
embed() {
    printf 'const char embedded_%s[] = {\n' "$1"
    od -An -v -to1 "$2" | sed "s/ *\([0-7]\{3\}\)/'\\\\\1',/g"
    printf "'\\\\0'};\n\n"
}

printf '#include "%s/%s"\n\n' "$folder" "$base" >"$code"
{
    printf '/*\n * Files as strings, made by scripts/embed.sh.\n */\n'
    printf '#ifndef %s\n#define %s\n\n' "$guard" "$guard"
} >"$header"
for pair in "$@"; do
    embed "${pair%%=*}" "${pair#*=}" >>"$code"
    printf 'extern const char embedded_%s[];\n' "${pair%%=*}" >>"$header"
done
printf '\n#endif\n' >>"$header"
