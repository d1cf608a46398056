/*
 * Readers that use a recipe of docs/recipes, one task a line: racer.py says
 * which.
 *
 *     racer.mjs FOLDER RECIPE CONNINFO REDIS_SOCKET
 */
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { setTimeout as sleep } from "node:timers/promises";

import { Redis } from "ioredis";
import pg from "pg";

const N_AT_A_TIME = 8;

const [folder, recipeName, conninfo, socket] = process.argv.slice(2);
const load = name => import(pathToFileURL(`${folder}/${name}.mjs`));
const { loadTeam } = await load("team");
const recipe = await load(recipeName);
const { commitAndWait } = await load("own_writes");
const { invalidate } = await load("by_hand");

const cache = new Redis(socket);
const options = Object.fromEntries(
    conninfo.split(" ").map(word => word.split("=")));
const pool = new pg.Pool({
    host: options.host,
    port: Number(options.port),
    user: options.user,
    database: options.dbname,
    max: N_AT_A_TIME,
});

function say(answer) {
    process.stdout.write(JSON.stringify(answer) + "\n");
}

const releases = new Map();     // by team: a promise, and what fulfils it

function released(number) {
    if (!releases.has(number)) {
        const one = {};
        one.promise = new Promise(resolve => { one.resolve = resolve; });
        releases.set(number, one);
    }
    return releases.get(number);
}

/** The team, and whether its row was read; delay() comes after that. */
async function getTeam(client, number, delay) {
    let loaded = false;
    const team = await recipe.getTeam(cache, number, async teamId => {
        const row = await loadTeam(client, teamId);
        loaded = true;
        if (delay !== undefined) {
            say({ selected: number });
            await delay();
        }
        return row;
    });
    return { team, loaded };
}

const tasks = {
    async fill(client, task) {
        await getTeam(client, task.id, () => task.late === null
            ? released(task.id).promise : sleep(task.late * 1000));
        return {};
    },

    read: (client, task) => getTeam(client, task.id),

    async own(client, task) {
        await client.query("BEGIN");
        const { rows: [{ points }] } = await client.query(
            "UPDATE team SET points = points + 1 WHERE id = $1"
            + " RETURNING points", [task.id]);
        let applied = null;
        if (task.wait)
            applied = await commitAndWait(client);
        else
            await client.query("COMMIT");
        const { team } = await getTeam(client, task.id);
        return { wrote: points, team, applied };
    },

    async ask(client, task) {
        await client.query("BEGIN");
        await invalidate(client, "team", { id: task.id });
        if (task.commit)
            return { applied: await commitAndWait(client) };
        await client.query("ROLLBACK");
        return {};
    },
};

async function perform(task) {
    const client = await pool.connect();
    try {
        const answer = await tasks[task.do](client, task);
        say({ done: task.do, id: task.id, ...answer });
    } catch (error) {
        say({ failed: String(error), task });
    } finally {
        client.release();
    }
}

const underWay = [];
for await (const line of createInterface({ input: process.stdin })) {
    const task = JSON.parse(line);
    if (task.do === "release")
        released(task.id).resolve();
    else
        underWay.push(perform(task));
}
await Promise.all(underWay);
await pool.end();
cache.disconnect();
