//! Every table, by the list.

use std::time::Instant;

use quell_tables::schema;

use crate::{ask, session, try_ask};

/// What tables want to be told.
fn condition(table: &str) -> &'static str {
    match table {
        "file" | "hash" | "extended_attributes" => " WHERE directory = '/etc'",
        "yara" => " WHERE path = '/etc/passwd' AND sigrule = 'rule r { condition: true }'",
        _ => "",
    }
}

#[test]
fn every_table_is_read_with_all_its_columns() {
    for table in schema() {
        let started = Instant::now();
        let visible = table.columns.iter().filter(|column| !column.hidden).count();
        let answer = ask(&format!("SELECT * FROM {}{}", table.name, condition(table.name)));
        println!(
            "{:<24} {:>6} rows {:>6} ms {:?}",
            table.name,
            answer.rows.len(),
            started.elapsed().as_millis(),
            answer.summary.warnings
        );
        assert!(answer.columns.len() == visible, "{}", table.name);
        // Each column by its name, the hidden ones too.
        let names: Vec<String> = table.columns.iter().map(|column| format!("\"{}\"", column.name)).collect();
        ask(&format!("SELECT {} FROM {}{} LIMIT 5", names.join(","), table.name, condition(table.name)));
    }
    let mut names: Vec<&str> = schema().iter().map(|table| table.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), schema().len(), "a name stands twice");
}

#[test]
fn values_have_the_types_that_columns_declare() {
    use quell_tables::{Kind, Value};
    for table in schema() {
        let answer = ask(&format!("SELECT * FROM {}{} LIMIT 500", table.name, condition(table.name)));
        for row in &answer.rows {
            for ((name, kind), value) in answer.columns.iter().zip(row) {
                let fits = match value {
                    Value::Null => true,
                    Value::Integer(_) => matches!(kind, Kind::Integer | Kind::BigInt),
                    Value::Real(_) => *kind == Kind::Double,
                    Value::Text(_) => *kind == Kind::Text,
                    Value::Blob(_) => *kind == Kind::Blob,
                };
                assert!(fits, "{}.{name} is {kind:?} and holds {value:?}", table.name);
            }
        }
    }
}

#[test]
fn tables_that_need_a_condition_say_so() {
    for table in ["file", "hash"] {
        let error = try_ask(&session(), &format!("SELECT * FROM {table}")).err().unwrap();
        assert_eq!(
            error.to_string(),
            format!("the table `{table}` needs a condition on `path` or `directory`")
        );
    }
    // A join may give it.
    let joined = "SELECT p.pid, h.sha256 FROM processes p JOIN hash h ON h.path = p.path WHERE p.pid = ";
    let own = ask(&format!("{joined}{}", std::process::id()));
    assert_eq!(own.rows.len(), 1);
}
