//! The directory of a root: its key, and every bundle that it signed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use quell_wire::SigningKey;
use quell_wire::trust::{Pinned, SignedTrustBundle, TrustBundle};

use super::keyfile::{self, failed};
use crate::failure::Failure;

/// The private key of the root.
const KEY: &str = "root.key";
/// That of the next one, while it is being put in place.
const NEXT: &str = "root.key.next";
/// What was signed, a file for each serial.
const BUNDLES: &str = "bundles";

/// A root with its newest bundle.
pub(super) struct Dir {
    path: PathBuf,
    key: SigningKey,
    newest: Pinned,
}

impl Dir {
    /// Makes the directory (mode 0700), the root key and the first bundle.
    pub fn create(path: &Path, tenant: &str, now_us: i64) -> Result<Self, Failure> {
        let bundles = path.join(BUNDLES);
        make_private(&bundles).map_err(|error| failed("making", &bundles, &error))?;
        let key = keyfile::make(&path.join(KEY))?;
        let bundle = TrustBundle {
            tenant_id: tenant.to_owned(),
            serial: 1,
            created_at_us: now_us,
            root_key: key.public(),
            ..TrustBundle::default()
        };
        let newest = keep(path, &SignedTrustBundle::sign(&key, &bundle), tenant)?;
        Ok(Self { path: path.to_owned(), key, newest })
    }

    /// Opens one, and ends a change of the root that was interrupted.
    pub fn open(path: &Path) -> Result<Self, Failure> {
        let newest = newest(path)?;
        let mut key = keyfile::read(&path.join(KEY))?;
        let bundle = newest.bundle();
        if !bundle.next_root.is_empty() && key.public() == bundle.root_key {
            key = put_in_place(path, &key)?;
        }
        let signs = if bundle.next_root.is_empty() { &bundle.root_key } else { &bundle.next_root };
        if key.public() != *signs {
            return Err(Failure::new(format!("{KEY} is not the key that signs the next bundle")));
        }
        Ok(Self { path: path.to_owned(), key, newest })
    }

    /// The newest bundle.
    pub fn newest(&self) -> &Pinned {
        &self.newest
    }

    /// Signs the next bundle, after a change.
    pub fn change(
        &mut self,
        now_us: i64,
        change: impl FnOnce(&mut TrustBundle) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut bundle = self.newest.bundle().clone();
        (bundle.root_key, bundle.next_root) = (self.key.public(), Vec::new());
        bundle.serial += 1;
        bundle.created_at_us = now_us;
        change(&mut bundle)?;
        bundle.check().map_err(|error| Failure::of(&error))?;
        let signed = SignedTrustBundle::sign(&self.key, &bundle);
        // By the rules of an endpoint: what is signed here is taken there.
        self.newest.accept(&signed).map_err(|error| Failure::of(&error))?;
        self.newest = keep(&self.path, &signed, &bundle.tenant_id)?;
        Ok(())
    }

    /// Makes a new root key, which the old one names.
    pub fn rotate(&mut self, now_us: i64) -> Result<(), Failure> {
        let path = self.path.join(NEXT);
        // Of a try that ended before its key was named anywhere.
        let _ = fs::remove_file(&path);
        let next = keyfile::make(&path)?.public();
        self.change(now_us, |bundle| {
            bundle.next_root = next;
            Ok(())
        })?;
        self.key = put_in_place(&self.path, &self.key)?;
        Ok(())
    }
}

/// The new root's key takes the place of the old one, which is kept under its id: nothing needs it any more.
fn put_in_place(path: &Path, old: &SigningKey) -> Result<SigningKey, Failure> {
    let (current, next) = (path.join(KEY), path.join(NEXT));
    let key = keyfile::read(&next)?;
    let retired = path.join(format!("{KEY}.{}.retired", quell_wire::keys::key_id(&old.public())));
    fs::copy(&current, &retired).map_err(|error| failed("keeping", &retired, &error))?;
    fs::rename(&next, &current).map_err(|error| failed("writing", &current, &error))?;
    sync(path).map_err(|error| failed("writing", path, &error))?;
    Ok(key)
}

fn keep(path: &Path, signed: &SignedTrustBundle, tenant: &str) -> Result<Pinned, Failure> {
    let pinned = Pinned::kept(tenant, signed.clone()).map_err(|error| Failure::of(&error))?;
    let bundles = path.join(BUNDLES);
    let file = bundles.join(format!("{:08}.trust", pinned.bundle().serial));
    let written = keyfile::write_new(&file, format!("{}\n", signed.to_text()).as_bytes());
    written.and_then(|()| sync(&bundles)).map_err(|error| failed("writing", &file, &error))?;
    Ok(pinned)
}

/// Every bundle of a directory, oldest first.
pub(super) fn bundles(path: &Path) -> Result<Vec<SignedTrustBundle>, Failure> {
    let folder = path.join(BUNDLES);
    let listed = fs::read_dir(&folder).map_err(|error| {
        failed("reading", &folder, &error).hint("`quell trust init` makes a root of trust")
    })?;
    let mut files: Vec<PathBuf> = listed.filter_map(|entry| Some(entry.ok()?.path())).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "trust"));
    files.sort();
    let read = |file: &PathBuf| {
        let signed = SignedTrustBundle::from_text(&keyfile::read_text(file)?);
        signed
            .filter(|signed| signed.open().is_ok())
            .ok_or_else(|| Failure::new(format!("{} is no trust bundle", file.display())))
    };
    files.iter().map(read).collect()
}

/// The newest bundle of a directory; the key is not needed.
pub(super) fn newest(path: &Path) -> Result<Pinned, Failure> {
    let last = bundles(path)?.pop();
    let last = last.ok_or_else(|| Failure::new(format!("{} holds no trust bundle", path.display())))?;
    let tenant = last.open().map_err(|error| Failure::of(&error))?.tenant_id;
    Pinned::kept(&tenant, last).map_err(|error| Failure::of(&error))
}

fn make_private(path: &Path) -> std::io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt;
        builder.mode(0o700);
    }
    builder.create(path)
}

fn sync(directory: &Path) -> std::io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn each_change_is_a_bundle_that_follows_the_one_before() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("root");
        let mut dir = Dir::create(&path, "acme", 1).unwrap();
        assert!(Dir::create(&path, "acme", 1).is_err(), "never over another root");
        dir.change(2, |_| Ok(())).unwrap();
        dir.rotate(3).unwrap();
        dir.change(4, |_| Ok(())).unwrap();
        let dir = Dir::open(&path).unwrap();
        assert_eq!(dir.newest().bundle().serial, 4);
        let chain = bundles(&path).unwrap();
        let first = chain[0].open().unwrap();
        let pin = quell_wire::trust::Pin::of(&first.root_key, 1);
        assert_eq!(Pinned::first(&pin, "acme", &chain).unwrap(), *dir.newest());
        assert_ne!(dir.newest().bundle().root_key, first.root_key);
    }

    #[test]
    fn a_change_of_the_root_that_was_interrupted_is_ended() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("root");
        let mut dir = Dir::create(&path, "acme", 1).unwrap();
        let old = fs::read(path.join(KEY)).unwrap();
        dir.rotate(2).unwrap();
        // As it was after the bundle was written and before the keys changed places.
        fs::rename(path.join(KEY), path.join(NEXT)).unwrap();
        fs::write(path.join(KEY), old).unwrap();
        let mut dir = Dir::open(&path).unwrap();
        dir.change(3, |_| Ok(())).unwrap();
        assert!(!path.join(NEXT).exists());
    }
}
