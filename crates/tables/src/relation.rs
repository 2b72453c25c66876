//! A [`Table`] as SQLite sees it.

use std::fmt::Write as _;
use std::sync::Arc;

use quell_host::vtab::{Ask, Offer, Operator, Plan, Relation, Rows};

use crate::env::{Env, Scan};
use crate::table::Table;

/// One term tells which row, or which few.
const EXACT: (f64, i64) = (10.0, 10);
/// One term narrows the table.
const NARROWED: (f64, i64) = (1_000.0, 1_000);
/// All of it.
const WHOLE: (f64, i64) = (1_000_000.0, 100_000);

pub(crate) struct Live {
    pub table: &'static Table,
    pub env: Arc<Env>,
}

impl Relation for Live {
    fn declaration(&self) -> String {
        let mut text = format!("CREATE TABLE {}(", self.table.name);
        for (index, column) in self.table.columns.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            let hidden = if column.hidden { " HIDDEN" } else { "" };
            let _ = write!(text, "{comma}\"{}\" {}{hidden}", column.name, column.kind.sql());
        }
        text.push(')');
        text
    }

    fn plan(&self, offered: &[Offer]) -> Option<Plan> {
        let mut wanted = Vec::new();
        let (mut exact, mut narrowed, mut given) = (false, false, false);
        for (at, offer) in offered.iter().enumerate() {
            let Some(column) = self.table.columns.get(offer.column) else { continue };
            let is_new = !wanted.iter().any(|other: &usize| offered[*other] == *offer);
            if !column.index || !is_new || (column.hidden && offer.operator == Operator::Like) {
                continue;
            }
            wanted.push(at);
            given |= column.required;
            exact |= offer.operator == Operator::Equal && !column.hidden;
            narrowed |= offer.operator == Operator::Like;
        }
        if !given && self.table.columns.iter().any(|column| column.required) {
            return None;
        }
        let (cost, rows) = if exact {
            EXACT
        } else if narrowed {
            NARROWED
        } else {
            WHOLE
        };
        Some(Plan { wanted, cost, rows })
    }

    fn scan(&self, ask: Ask) -> Rows {
        let env = self.env.clone();
        let scan = Scan { table: self.table, env: env.clone(), terms: Arc::new(ask.terms), used: ask.used };
        let rows = (self.table.rows)(&scan);
        // A statement that is over must not wait for a long list to end.
        Box::new(rows.take_while(move |_| !env.stop.is_due()).map(|row| Ok(row.values)))
    }
}
