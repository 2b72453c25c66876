//! What a rule asks of a record, before rules are laid together into a set.

use crate::test::Test;

/// Tests joined by and, or, not.
#[derive(Clone, Debug)]
pub(crate) enum Expression {
    All(Vec<Expression>),
    Any(Vec<Expression>),
    Not(Box<Expression>),
    Leaf(Leaf),
}

/// One test of one field.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    /// `None` where it may be any field.
    pub field: Option<String>,
    pub test: Test,
    /// The test as it is written: one that is the same in several rules is made once, and a person reads what hit.
    pub written: String,
}

impl Expression {
    pub fn all(mut items: Vec<Self>) -> Self {
        if items.len() == 1 { items.swap_remove(0) } else { Self::All(items) }
    }

    pub fn any(mut items: Vec<Self>) -> Self {
        if items.len() == 1 { items.swap_remove(0) } else { Self::Any(items) }
    }

    pub fn not(item: Self) -> Self {
        match item {
            Self::Not(inner) => *inner,
            item => Self::Not(Box::new(item)),
        }
    }

    /// Tests in it.
    pub fn leaves(&self) -> usize {
        match self {
            Self::All(items) | Self::Any(items) => items.iter().map(Self::leaves).sum(),
            Self::Not(item) => item.leaves(),
            Self::Leaf(_) => 1,
        }
    }

    /// Every test in it.
    pub fn each<'a>(&'a self, visit: &mut dyn FnMut(&'a Leaf)) {
        match self {
            Self::All(items) | Self::Any(items) => items.iter().for_each(|item| item.each(visit)),
            Self::Not(item) => item.each(visit),
            Self::Leaf(leaf) => visit(leaf),
        }
    }
}
