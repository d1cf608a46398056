/*
 * The table of commands, with what their help says.
 */
#include "cli/commands.h"

#define SERVERS OPTION(CONFIG) | OPTION(CONNINFO)

const struct cli_command cli_commands[] = {
    {
	.name = "check",
	.summary = "do the files, the database and Redis fit together?",
	.help =
	    "Looks at the settings and the graph; then whether the database "
	    "has their\ntables, columns and triggers, and keeps LISTEN and "
	    "session locks; then at\nRedis. A line for each thing: ok, "
	    "warning, or error with what to do.\n\n"
	    "Exit status: 0 fine or warnings alone, 1 problem found, "
	    "69 a server is\nunreachable, 78 an error in the files.",
	.examples = "  pgripple check --offline -c pgripple.yaml  "
		    "# in CI, without servers\n"
		    "  pgripple check                             "
		    "# all of it, as the daemon",
	.options = SERVERS | OPTION(OFFLINE),
	.run = check_command,
    },
    {
	.name = "graph",
	.summary = "print the graph as a picture",
	.help =
	    "Prints models, tables, rules and relations: as text, as an SVG "
	    "picture, or for\nGraphviz or Mermaid. Marks the relations that "
	    "need a lookup, and the tables\nwithout triggers, if it may ask "
	    "the database.",
	.examples = "  pgripple graph --offline -c pgripple.yaml\n"
		    "  pgripple graph --format svg --output graph.svg",
	.options = SERVERS | OPTION(OFFLINE) | OPTION(FORMAT) | OPTION(OUTPUT) |
		   OPTION(FORCE),
	.run = graph_command,
    },
    {
	.name = "import",
	.summary = "write a graph.yaml from a database's foreign keys",
	.help =
	    "Prints a graph.yaml with a model for each table, and a relation "
	    "for each\nforeign key in both directions, commented out for you "
	    "to choose. Changes\nnothing. With --conninfo it needs no "
	    "settings.",
	.examples = "  pgripple import postgres --conninfo dbname=app "
		    "--table \"app_*\"\n"
		    "  pgripple import postgres --output graph.yaml",
	.options = SERVERS | OPTION(SCHEMA) | OPTION(TABLE) | OPTION(OUTPUT) |
		   OPTION(FORCE),
	.words = "postgres",
	.n_words = 1,
	.run = import_command,
    },
    {
	.name = "sql",
	.summary = "print what \"install\" would run, for review or for psql",
	.help = "Prints the script that \"install\" would run on a database "
		"which has nothing of\nit yet. Needs no server.",
	.examples = "  pgripple sql | less\n"
		    "  pgripple sql | psql -v ON_ERROR_STOP=1 "
		    "\"dbname=app user=owner\"",
	.options = OPTION(CONFIG),
	.run = sql_command,
    },
    {
	.name = "diff",
	.summary = "what would \"install\" change? in words, or as SQL",
	.help =
	    "Compares the database with the graph and the settings, and says "
	    "what \"install\"\nwould change: a line for each thing, or with "
	    "--sql what would be run. It changes\nnothing and takes no "
	    "lock.\n\n"
	    "Exit status: 0 nothing differs, 1 something does, 69 the "
	    "database is\nunreachable, 78 an error in the files.",
	.examples = "  pgripple diff\n"
		    "  pgripple diff --sql --conninfo \"dbname=app "
		    "user=owner\" | less",
	.options = SERVERS | OPTION(SQL),
	.run = diff_command,
    },
    {
	.name = "install",
	.summary = "put schema and triggers into the database, or update them",
	.help =
	    "Creates pgripple's schema and the triggers on the graph's "
	    "tables, or brings\nthem up to date; says what it changed. Table "
	    "by table, each in a short\ntransaction that waits at most 2 s "
	    "for a lock, and tries again. May be\ninterrupted and run again "
	    "at any time: what is right is left alone.\n\n"
	    "Run it as the owner of the tables, after every change of the "
	    "graph.",
	.examples = "  pgripple install --conninfo \"dbname=app user=owner\"",
	.options = SERVERS,
	.run = install_command,
    },
    {
	.name = "run",
	.summary = "the daemon: applies changes until SIGTERM",
	.help = "Runs the daemon in the foreground, with its log on standard "
		"error. It waits\nfor servers that are not there yet. SIGHUP "
		"reads the files again; SIGTERM\nand SIGINT end it in good "
		"order.",
	.examples = "  pgripple run -c pgripple.yaml\n"
		    "  systemctl enable --now pgripple",
	.options = OPTION(CONFIG),
	.run = run_command,
    },
    {
	.name = "explain",
	.summary = "what would a change of this row lead to, and why?",
	.help =
	    "Prints which rows a change would touch, for each relation and "
	    "rule whether it is\ntaken and if not the reason, the lookups "
	    "with their SQL, and what would be done\nin Redis. Reads from "
	    "Postgres, writes nowhere, and leaves Redis alone.\n\n"
	    "The row after the model is that of an insert, or of a delete "
	    "with --op delete,\nor is asked for by hand with --op invalidate. "
	    "Columns that are not given are\nread from the table if the "
	    "primary key is; of an update, those that one row lacks\nare as "
	    "in the other.",
	.examples = "  pgripple explain team '{\"id\": 10}'\n"
		    "  pgripple explain team --old '{\"id\": 10, "
		    "\"tournament_id\": 1}' \\\n"
		    "                        --new '{\"tournament_id\": 2}'\n"
		    "  pgripple explain team --op truncate --offline",
	.options = SERVERS | OPTION(OLD) | OPTION(NEW) | OPTION(OP) |
		   OPTION(JSON) | OPTION(OFFLINE),
	.words = "MODEL [JSON]",
	.n_words = 2,
	.run = explain_command,
    },
    {
	.name = "invalidate",
	.summary = "ask for rows, a model, or all of them to be invalidated",
	.help =
	    "Asks for rows of a model to be invalidated, and what depends on "
	    "them, in one\ntransaction. Each ROW is column=value, or several "
	    "of them with commas in\nbetween, or a JSON object. Columns that "
	    "are not given are looked up.",
	.examples = "  pgripple invalidate team id=42 id=43\n"
		    "  pgripple invalidate team_member team_id=1,user_id=2 "
		    "--wait\n"
		    "  pgripple invalidate page '{\"slug\": \"a,b\"}' "
		    "--dry-run\n"
		    "  pgripple invalidate --model team\n"
		    "  pgripple invalidate --all --yes",
	.options = SERVERS | OPTION(MODEL) | OPTION(ALL) | OPTION(DRY_RUN) |
		   OPTION(WAIT) | OPTION(TIMEOUT) | OPTION(YES),
	.words = "[MODEL ROW...]",
	.n_words = OPTIONS_MAX_WORDS,
	.run = invalidate_command,
    },
    {
	.name = "ping",
	.summary = "is it working? send a canary the whole way and time it",
	.help = "Puts a key into Redis and a change into the outbox, and waits "
		"until the daemon\nhas removed the one and acknowledged the "
		"other. Prints how long each stage\ntook, or which one failed "
		"and what to look at.",
	.examples = "  pgripple ping\n"
		    "  pgripple ping --timeout 2s || alert",
	.options = SERVERS | OPTION(TIMEOUT),
	.run = ping_command,
    },
    {
	.name = "status",
	.summary = "how does it go? backlog, rates, daemons, problems",
	.help =
	    "Prints what waits in the outbox and for how long, rates, daemons, "
	    "their peers,\ntasks, rejected changes, gaps in the capture, and "
	    "what is not as it should be.\nAsks the database, and the daemon "
	    "at "
	    "http.listen.\n\n"
	    "Exit status: 0 all is well, 1 something is not, 69 the database "
	    "is unreachable.",
	.examples = "  pgripple status\n"
		    "  pgripple status --watch\n"
		    "  pgripple status --json | jq .problems",
	.options = SERVERS | OPTION(JSON) | OPTION(WATCH),
	.run = status_command,
    },
    {
	.name = "tail",
	.summary = "follow the daemon's log; why did this key go?",
	.help =
	    "Prints the daemon's log for people, one line for each change with "
	    "its path, the\nkeys and the time, and goes on as it grows. Reads "
	    "the systemd journal, a file, a\nfolder with a journal, or "
	    "standard input (-).",
	.examples = "  pgripple tail\n"
		    "  pgripple tail --key team:42         # why did it go?\n"
		    "  docker logs -f app | pgripple tail -",
	.options = OPTION(MODEL) | OPTION(TABLE) | OPTION(KEY) | OPTION(UNIT) |
		   OPTION(NO_FOLLOW),
	.words = "[FILE]",
	.n_words = 1,
	.run = tail_command,
    },
    {
	.name = "rejected",
	.summary = "changes that could not be understood: list, retry, drop",
	.help =
	    "Shows the changes that the daemon could not understand and put "
	    "aside, with the\nreason; puts them back into the outbox, to be "
	    "tried again once the cause is\nremoved; or forgets them. Without "
	    "an ID, retry and drop take all of them.",
	.examples = "  pgripple rejected list\n"
		    "  pgripple rejected retry 1742\n"
		    "  pgripple rejected drop --yes",
	.options = SERVERS | OPTION(YES),
	.words = "list | retry [ID] | drop [ID]",
	.n_words = 2,
	.run = rejected_command,
    },
    {
	.name = "uninstall",
	.summary = "take everything of pgripple out of the database",
	.help =
	    "Removes the triggers and the schema, after showing what will go "
	    "and asking.\nLeaves nothing behind. Stop the daemon first.",
	.examples = "  pgripple uninstall --conninfo "
		    "\"dbname=app user=owner\"",
	.options = SERVERS | OPTION(YES),
	.run = uninstall_command,
    },
    {
	.name = "version",
	.summary = "print the versions of pgripple and its libraries",
	.help = "Prints the versions of pgripple and of the libraries that it "
		"uses, one a line.",
	.examples = "  pgripple version",
	.run = version_command,
    },
};
const size_t n_cli_commands = N_ELEMENTS(cli_commands);
