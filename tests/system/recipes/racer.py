"""Readers that use a recipe of docs/recipes, one task a line.

    racer.py FOLDER RECIPE CONNINFO REDIS_SOCKET

FOLDER holds the code blocks of the pages as files, RECIPE names one of them. A
task is a JSON object on standard input; eight are done at a time:

    {"do": "fill", "id": 1, "late": 0.01}   get the team; its query takes so
                                            many seconds from the SELECT on,
                                            or until the release if null
    {"do": "release", "id": 1}              at once, and not answered
    {"do": "read", "id": 1}                 get the team
    {"do": "own", "id": 1, "wait": true}    write, commit, get the team
    {"do": "ask", "id": 1, "commit": true}  invalidate by hand

and is answered on standard output, {"done": ..., "id": ..., ...}; a fill says
{"selected": ID} before, when it has done its SELECT.
"""

import importlib
import json
import sys
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor

import psycopg2
import redis

N_AT_A_TIME = 8

folder, recipe_name, conninfo, socket = sys.argv[1:]
sys.path.insert(0, folder)
load_team = importlib.import_module("team").load_team
recipe = importlib.import_module(recipe_name)
own_writes = importlib.import_module("own_writes")
by_hand = importlib.import_module("by_hand")
cache = redis.Redis(unix_socket_path=socket, decode_responses=True)
local = threading.local()
talking = threading.Lock()
released = defaultdict(threading.Event)     # by team


def say(**answer):
    with talking:
        print(json.dumps(answer), flush=True)


def connect():
    local.reading = psycopg2.connect(conninfo)
    local.reading.autocommit = True
    local.writing = psycopg2.connect(conninfo)


def get_team(number, delay=None):
    """The team, and whether its row was read; delay() comes after that."""
    loads = []

    def load(team_id):
        team = load_team(local.reading, team_id)
        loads.append(team_id)
        if delay is not None:
            say(selected=number)
            delay()
        return team
    return recipe.get_team(cache, number, load), bool(loads)


def fill(task):
    def delay():
        if task["late"] is None:
            released[task["id"]].wait()
        else:
            time.sleep(task["late"])
    get_team(task["id"], delay)
    return {}


def read(task):
    team, loaded = get_team(task["id"])
    return {"team": team, "loaded": loaded}


def own(task):
    with local.writing.cursor() as cursor:
        cursor.execute("UPDATE team SET points = points + 1 WHERE id = %s"
                       " RETURNING points", [task["id"]])
        wrote, = cursor.fetchone()
    applied = None
    if task["wait"]:
        applied = own_writes.commit_and_wait(local.writing)
    else:
        local.writing.commit()
    team, _ = get_team(task["id"])
    return {"wrote": wrote, "team": team, "applied": applied}


def ask(task):
    by_hand.invalidate(local.writing, "team", id=task["id"])
    if not task["commit"]:
        local.writing.rollback()
        return {}
    return {"applied": own_writes.commit_and_wait(local.writing)}


def do(task):
    try:
        say(done=task["do"], id=task["id"], **globals()[task["do"]](task))
    except Exception as error:
        say(failed=repr(error), task=task)


with ThreadPoolExecutor(N_AT_A_TIME, initializer=connect) as threads:
    for line in sys.stdin:
        one = json.loads(line)
        if one["do"] == "release":
            released[one["id"]].set()
        else:
            threads.submit(do, one)
