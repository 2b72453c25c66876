//! Activity events and programs as they lie in memory: what is learned of a file later is put where all look who hold it.

use std::sync::{Arc, OnceLock};

use quell_wire::activity::{Activity, Deed, Image, ProcessKey};

/// What is learned of a file after the event: by reading it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// SHA-256.
    pub sha256: Option<[u8; 32]>,
    /// Bytes.
    pub size: u64,
    /// The package that it belongs to, with version; empty where none.
    pub package: Arc<str>,
    /// The package that brought the same content, where the file is no package's; empty where none.
    pub copy_of: Arc<str>,
    /// SHA-256 of the script, where it is an interpreter's.
    pub script: Option<[u8; 32]>,
}

/// Facts that may still come.
pub type Late = Arc<OnceLock<Facts>>;

/// A program that was begun. Processes that were forked while it ran share it.
#[derive(Debug, Default)]
pub struct Program {
    /// As it was told.
    pub image: Image,
    /// Inode, with the device, of the executable.
    pub inode: Option<((u32, u32), u64)>,
    /// What reading it gave.
    pub late: Late,
}

impl Program {
    /// All that is known by now.
    pub fn image(&self) -> Image {
        let mut image = self.image.clone();
        if let Some(facts) = self.late.get() {
            image.sha256 = facts.sha256.map(Vec::from).unwrap_or_default();
            image.size = facts.size;
            image.package = facts.package.to_string();
            image.copy_of = facts.copy_of.to_string();
            if let Some(script) = &mut image.script {
                script.sha256 = facts.script.map(Vec::from).unwrap_or_default();
            }
        }
        image
    }

    /// Whether it is a copy of a package's program, as far as is known by now.
    pub fn is_copy(&self) -> bool {
        self.late.get().is_some_and(|facts| !facts.copy_of.is_empty())
    }

    /// SHA-256 of what decides what it does: the script, where it is an interpreter's, else the executable.
    pub fn digest(&self) -> Option<[u8; 32]> {
        let facts = self.late.get()?;
        if self.image.script.is_some() { facts.script } else { facts.sha256 }
    }

    /// Path of the same.
    pub fn object(&self) -> &[u8] {
        self.image.script.as_ref().map_or(&self.image.path, |script| &script.path)
    }
}

/// What an event is about.
#[derive(Debug)]
pub enum What {
    /// A program was begun.
    Start(Arc<Program>),
    /// A file came to be, was changed or renamed.
    File(Deed, Late),
    /// Anything else.
    Other(Deed),
}

/// One activity event.
#[derive(Debug)]
pub struct Item {
    pub id: u64,
    pub at_us: i64,
    pub key: ProcessKey,
    pub what: What,
}

impl Item {
    /// As it is told, with all that is known by now.
    pub fn activity(&self) -> Activity {
        let deed = match &self.what {
            What::Start(program) => Deed::Start(program.image()),
            What::Other(deed) => deed.clone(),
            What::File(deed, late) => with_facts(deed.clone(), late.get()),
        };
        Activity { id: self.id, at_us: self.at_us, process: self.key, deed: Some(deed) }
    }

    /// Whether its file is a copy of a package's program, as far as is known by now.
    pub fn is_copy(&self) -> bool {
        self.late().and_then(|late| late.get()).is_some_and(|facts| !facts.copy_of.is_empty())
    }

    /// Where facts come to.
    pub fn late(&self) -> Option<&Late> {
        match &self.what {
            What::Start(program) => Some(&program.late),
            What::File(_, late) => Some(late),
            What::Other(_) => None,
        }
    }
}

/// The tag of a deed in the message that holds it.
pub fn kind(deed: &Deed) -> u8 {
    match deed {
        Deed::Start(_) => 10,
        Deed::FileCreate(_) => 11,
        Deed::FileWrite(_) => 12,
        Deed::FileRename(_) => 13,
        Deed::Connect(_) => 14,
        Deed::Listen(_) => 15,
        Deed::Dns(_) => 16,
        Deed::Login(_) => 17,
    }
}

fn with_facts(mut deed: Deed, facts: Option<&Facts>) -> Deed {
    if let (Deed::FileCreate(file) | Deed::FileWrite(file) | Deed::FileRename(file), Some(facts)) =
        (&mut deed, facts)
    {
        file.sha256 = facts.sha256.map(Vec::from).unwrap_or_default();
        file.copy_of = facts.copy_of.to_string();
        // The size of what was hashed.
        if facts.sha256.is_some() {
            file.size = facts.size;
        }
    }
    deed
}
