//! Where a file is now, and what it holds, as far as the chain tells what became of it.

use std::collections::HashMap;

use quell_wire::activity::{Activity, Deed};

use crate::chain::{Object, View};

/// A file as the chain leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whereabouts<'a> {
    /// Its path by now.
    pub path: &'a [u8],
    /// SHA-256 by now; empty where it is not known.
    pub sha256: &'a [u8],
    /// It got another name since.
    pub is_moved: bool,
    /// It was written again since, with another content or one that is not known.
    pub is_changed: bool,
}

impl<'a> Whereabouts<'a> {
    /// Follows an object from a moment to the end of the chain.
    pub fn of(view: &View<'a>, object: Object<'a>, at_us: i64) -> Self {
        let begin = view.entries.partition_point(|entry| entry.activity.at_us <= at_us);
        let mut future = Future::none(object.path);
        if !object.path.is_empty() {
            view.entries[begin..].iter().for_each(|entry| future.then(entry.activity));
        }
        future.of(object)
    }
}

/// What becomes of whatever lies at a path, told by the deeds after a moment.
#[derive(Clone, Copy)]
struct Future<'a> {
    path: &'a [u8],
    is_moved: bool,
    /// What the last write of it holds; empty where that is not known.
    written: Option<&'a [u8]>,
    /// What it holds, as a run of it tells before it is written.
    ran: &'a [u8],
}

impl<'a> Future<'a> {
    const fn none(path: &'a [u8]) -> Self {
        Self { path, is_moved: false, written: None, ran: &[] }
    }

    /// The same with what happens next.
    fn then(&mut self, activity: &'a Activity) {
        match &activity.deed {
            Some(Deed::FileRename(file)) if file.from == self.path => {
                (self.path, self.is_moved) = (&file.path, true);
                // A move alone changes no content.
                if !file.sha256.is_empty() {
                    self.written = Some(&file.sha256);
                }
            }
            Some(Deed::FileCreate(file) | Deed::FileWrite(file) | Deed::FileRename(file))
                if file.path == self.path =>
            {
                self.written = Some(&file.sha256);
            }
            Some(Deed::Start(image)) => {
                let object = Object::of_image(image);
                let held = self.written.as_mut().unwrap_or(&mut self.ran);
                if object.path == self.path && held.is_empty() {
                    *held = object.sha256;
                }
            }
            _ => {}
        }
    }

    /// Where an object ends and what it holds then.
    fn of(self, object: Object<'a>) -> Whereabouts<'a> {
        let sha256 = match self.written {
            Some(written) => written,
            None if object.sha256.is_empty() => self.ran,
            None => object.sha256,
        };
        let is_changed = self.written.is_some() && !object.sha256.is_empty() && sha256 != object.sha256;
        Whereabouts { path: self.path, sha256, is_moved: self.is_moved, is_changed }
    }

    /// The future before a write.
    const fn before_write(self, sha256: &'a [u8]) -> Self {
        let told = if sha256.is_empty() { self.ran } else { sha256 };
        let written = match self.written {
            Some(written) => written,
            None => told,
        };
        Self { written: Some(written), ran: &[], ..self }
    }
}

/// [`Whereabouts::of`] for the object of each event, in the order of [`View::entries`]: all in one pass, from the end.
pub(crate) fn all<'a>(view: &View<'a>) -> Vec<Option<Whereabouts<'a>>> {
    let mut futures: HashMap<&'a [u8], Future<'a>> = HashMap::new();
    let mut all: Vec<_> = view.entries.iter().rev().map(|entry| step(&mut futures, entry.activity)).collect();
    all.reverse();
    all
}

fn step<'a>(futures: &mut HashMap<&'a [u8], Future<'a>>, activity: &'a Activity) -> Option<Whereabouts<'a>> {
    let object = Object::of(activity).filter(|object| object.is_file() && !object.path.is_empty())?;
    let path = object.path;
    let future = futures.get(path).copied().unwrap_or(Future::none(path));
    match &activity.deed {
        Some(Deed::FileRename(file)) => {
            let before = future.before_write(&file.sha256);
            futures.insert(path, before);
            // A move alone changes no content.
            let moved = if file.sha256.is_empty() { future } else { before };
            futures.insert(&file.from, Future { is_moved: true, ..moved });
        }
        Some(Deed::FileCreate(file) | Deed::FileWrite(file)) => {
            futures.insert(path, future.before_write(&file.sha256));
        }
        Some(Deed::Start(_)) if future.written.is_none() && !object.sha256.is_empty() => {
            futures.insert(path, Future { ran: object.sha256, ..future });
        }
        _ => {}
    }
    Some(future.of(object))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use proptest::prelude::*;
    use quell_wire::activity::{FileDeed, Image};

    use super::*;
    use crate::chain::Chain;

    fn any_deed() -> impl Strategy<Value = Deed> {
        let path = || (0_u8..4).prop_map(|name| vec![b'/', b'a' + name]);
        let content = || prop_oneof![Just(vec![]), Just(vec![1; 32]), Just(vec![2; 32])];
        (path(), path(), content(), 0_u8..4).prop_map(|(path, from, sha256, kind)| {
            let file = FileDeed { path: path.clone(), from, sha256: sha256.clone(), ..FileDeed::default() };
            match kind {
                0 => Deed::FileCreate(file),
                1 => Deed::FileWrite(file),
                2 => Deed::FileRename(file),
                _ => Deed::Start(Image { path, sha256, ..Image::default() }),
            }
        })
    }

    proptest! {
        #[test]
        fn all_at_once_is_each_by_itself(deeds in proptest::collection::vec(any_deed(), 0..16)) {
            let activities = deeds.into_iter().zip(1..).map(|(deed, id)| {
                Activity { id, at_us: i64::try_from(id).unwrap(), deed: Some(deed), ..Activity::default() }
            });
            let chain = Chain { activities: activities.collect(), ..Chain::default() };
            let view = View::of(&chain);
            for (entry, told) in view.entries.iter().zip(all(&view)) {
                let object = Object::of(entry.activity).unwrap();
                prop_assert_eq!(Whereabouts::of(&view, object, entry.activity.at_us), told.unwrap());
            }
        }
    }
}
