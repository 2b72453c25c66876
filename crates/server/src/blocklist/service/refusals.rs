//! What an order asked for and the list did not take: all are counted, and the first are named.

use quell_catalog::blocklist::{MAX_NAMED, Refused};

/// What was not listed, and why.
#[derive(Default)]
pub(super) struct Refusals {
    pub count: u32,
    pub named: Vec<Refused>,
}

impl Refusals {
    pub fn add(&mut self, value: &str, code: &str, reason: String) {
        self.count += 1;
        let value = value.chars().take(200).collect();
        self.name(Refused { value, code: code.to_owned(), reason });
    }

    pub fn name(&mut self, refused: Refused) {
        if self.named.len() < MAX_NAMED {
            self.named.push(refused);
        }
    }
}
