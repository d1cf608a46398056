# Fills a manual page's tables from docs/, so that what a table there lists
# is listed in the page too:
#
#     awk -v docs=DIRECTORY -v confdir=... -v datadir=... -f tables.awk PAGE.in
#
# A line of the page
#
#     @table FILE.md HEADING: WORDS
#
# becomes a list (.Bl -tag) of the rows of all tables below that heading, up
# to the next one.  The first column is the tag; WORDS is what is said of it,
# with $2, $3, ... for the other columns.  A heading "-" is the whole file.

# The cells of a row of a Markdown table, into cell[1], cell[2], ...; "\|" is
# no border.
function split_row(row, cell,    n, i) {
	gsub(/\\\|/, "\001", row)
	sub(/^\| */, "", row)
	sub(/ *\|$/, "", row)
	n = split(row, cell, / *\| */)
	for (i = 1; i <= n; i++)
		gsub(/\001/, "|", cell[i])
	return n
}

# Markdown within a line, as roff: code and emphasis, links as their text.
function roff(text,    out, parts, n, i) {
	gsub(/\\/, "\\e", text)
	while (match(text, /\[[^]]*\]\([^)]*\)/)) {
		out = substr(text, RSTART + 1, RLENGTH - 1)
		sub(/\]\(.*/, "", out)
		text = substr(text, 1, RSTART - 1) out \
		    substr(text, RSTART + RLENGTH)
	}
	gsub(/\*\*/, "", text)
	n = split(text, parts, /`/)
	out = parts[1]
	for (i = 2; i <= n; i++)
		out = out (i % 2 == 0 ? "\\fB" : "\\fR") parts[i]
	sub(/^[.']/, "\\\\\\&&", out)
	return out
}

function print_row(words, row,    cell, n, i, text) {
	n = split_row(row, cell)
	for (i = 2; i <= n; i++) {
		text = cell[i] == "" ? "-" : cell[i]
		gsub(/[\\&]/, "\\\\&", text)
		gsub("\\$" i, text, words)
	}
	printf(".It %s\n%s\n", roff(cell[1]), sentences(roff(words)))
}

# Each sentence on a line of its own, as mdoc wants it.
function sentences(text,    out) {
	out = ""
	while (match(text, /\.\)? +[A-Z(\\]/)) {
		out = out substr(text, 1, RSTART + RLENGTH - 2) "\n"
		text = substr(text, RSTART + RLENGTH - 1)
	}
	gsub(/ +\n/, "\n", out)
	return out text
}

# A row is printed when the next line shows that it is none of column names.
function print_table(file, heading, words,    line, inside, before, dashes,
    got) {
	inside = heading == "-"
	before = ""
	print ".Bl -tag -width Ds"
	while ((got = (getline line < file)) > 0) {
		if (line ~ /^#/ && heading != "-") {
			sub(/^#+ */, "", line)
			inside = line == heading
			line = ""
		}
		dashes = line ~ /^\|[-:| ]+\|$/
		if (before != "" && !dashes)
			print_row(words, before)
		before = inside && !dashes && line ~ /^\|/ ? line : ""
	}
	if (got < 0)
		fail("could not read \"" file "\"")
	if (before != "")
		print_row(words, before)
	close(file)
	print ".El"
}

function fail(text) {
	print "tables.awk: " text > "/dev/stderr"
	exit 1
}

/^@table / {
	file = docs "/" $2
	rest = $0
	sub(/^@table [^ ]+ /, "", rest)
	at = index(rest, ": ")
	print_table(file, substr(rest, 1, at - 1), substr(rest, at + 2))
	next
}

{
	gsub(/@confdir@/, confdir)
	gsub(/@datadir@/, datadir)
	print
}
