"""Another engine's verdicts: pySigma turns each rule into SQL, SQLite matches. JSON comes in and goes out."""
import json
import re
import sqlite3
import sys

from sigma.backends.sqlite import sqliteBackend
from sigma.collection import SigmaCollection

NUMBERS = {"UserId", "ProcessId", "ParentProcessId", "SourcePort", "DestinationPort"}
asked = json.load(sys.stdin)
fields = asked["fields"]
database = sqlite3.connect(":memory:")
compiled = {}


def regexp(pattern, value):
    if value is None:
        return False
    if pattern not in compiled:
        compiled[pattern] = re.compile(pattern, re.ASCII)
    return compiled[pattern].search(str(value)) is not None


database.create_function("REGEXP", 2, regexp, deterministic=True)
columns = ", ".join(f'"{name}" {"NUMERIC" if name in NUMBERS else "TEXT"}' for name in fields)
answers = []
tables = {}
for number, group in enumerate(asked["events"]):
    table = f"t{number}"
    tables[group["category"]] = table
    database.execute(f'CREATE TABLE {table} (number INTEGER PRIMARY KEY, {columns}, "everything" TEXT)')
    marks = ", ".join("?" * (len(fields) + 2))
    for at, event in enumerate(group["events"]):
        row = [at] + [event.get(name) for name in fields] + ["\n".join(event.values())]
        database.execute(f"INSERT INTO {table} VALUES ({marks})", row)
for rule in asked["rules"]:
    try:
        backend = sqliteBackend(collate_nocase=True, fulltext_field="everything")
        collection = SigmaCollection.from_yaml(rule["text"])
        backend.table = tables[rule["category"]]
        hits = set()
        for query in backend.convert(collection):
            query = query.replace("SELECT * FROM", "SELECT number FROM", 1)
            hits.update(row[0] for row in database.execute(query))
        answers.append({"hits": sorted(hits)})
    except Exception as error:
        answers.append({"error": f"{type(error).__name__}: {error}"})
json.dump(answers, sys.stdout)
