//! Directories that programs of others filled.

use std::fs;
use std::path::Path;

use quell_host::tree;
use rustix::mount::mount_bind;

#[test]
fn what_is_mounted_into_a_directory_is_not_removed_with_it() {
    let space = tempfile::tempdir().unwrap();
    let (data, work) = (space.path().join("data"), space.path().join("work a"));
    fs::create_dir_all(data.join("deep")).unwrap();
    fs::write(data.join("deep/kept"), "kept").unwrap();
    fs::create_dir_all(work.join("x/m")).unwrap();
    fs::write(work.join("file"), "").unwrap();
    if !rustix::process::geteuid().is_root() || mount_bind(&data, work.join("x/m")).is_err() {
        println!("skipped: mounts are for root");
        return;
    }
    std::os::unix::fs::symlink(&data, work.join("link")).unwrap();
    tree::remove(&work).unwrap();
    assert!(!work.exists());
    assert_eq!(fs::read_to_string(data.join("deep/kept")).unwrap(), "kept");

    // Also where mounts lie on one another, and over the directory itself.
    fs::create_dir_all(work.join("m")).unwrap();
    mount_bind(&data, work.join("m")).unwrap();
    mount_bind(&data, work.join("m")).unwrap();
    mount_bind(&work, &work).unwrap();
    tree::remove(&work).unwrap();
    assert!(!work.exists());
    assert_eq!(fs::read_to_string(data.join("deep/kept")).unwrap(), "kept");
}

#[test]
fn a_link_in_the_place_of_a_directory_is_not_followed() {
    let space = tempfile::tempdir().unwrap();
    let space = space.path().canonicalize().unwrap();
    let (data, work, at) = (space.join("data"), space.join("work"), space.join("at"));
    fs::create_dir_all(data.join("kit")).unwrap();
    fs::create_dir_all(&at).unwrap();
    fs::create_dir_all(&work).unwrap();
    fs::write(at.join("kept"), "kept").unwrap();
    if !rustix::process::geteuid().is_root() || mount_bind(&at, data.join("kit")).is_err() {
        println!("skipped: mounts are for root");
        return;
    }
    let order = work.join("order");
    std::os::unix::fs::symlink(&data, &order).unwrap();
    // As a kit's own directories are named, in an order's directory that is a link by now.
    assert!(tree::remove(&order.join("kit")).is_err());
    tree::remove(&order).unwrap();
    assert!(fs::symlink_metadata(&order).is_err(), "the link goes");
    let is_mounted = fs::read_to_string(data.join("kit/kept")).is_ok_and(|text| text == "kept");
    rustix::mount::unmount(data.join("kit"), rustix::mount::UnmountFlags::DETACH).unwrap();
    assert!(is_mounted, "and nothing where it led");
}

/// As on a machine under systemd, where mounts tell each other: a view of the whole within the directory is taken away, and
/// what is mounted in the original stays.
#[test]
#[expect(unsafe_code, reason = "a mount namespace of a thread's own")]
fn a_view_of_a_shared_place_goes_alone() {
    use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind_recursive, mount_change};
    let space = tempfile::tempdir().unwrap();
    let space = space.path().canonicalize().unwrap();
    if !rustix::process::geteuid().is_root() {
        println!("skipped: mounts are for root");
        return;
    }
    let work = move || {
        // SAFETY: this thread alone, which ends with the test; it holds nothing that others use.
        unsafe { rustix::thread::unshare_unsafe(rustix::thread::UnshareFlags::NEWNS) }.unwrap();
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", private).unwrap();
        let tmpfs = |at: &Path| mount("tmpfs", at, "tmpfs", MountFlags::empty(), None).unwrap();
        let (data, work) = (space.join("data"), space.join("work"));
        fs::create_dir_all(&data).unwrap();
        fs::create_dir_all(work.join("view")).unwrap();
        tmpfs(&data);
        mount_change(&data, MountPropagationFlags::SHARED).unwrap();
        fs::create_dir(data.join("inner")).unwrap();
        tmpfs(&data.join("inner"));
        fs::write(data.join("inner/kept"), "kept").unwrap();
        mount_bind_recursive(&data, work.join("view")).unwrap();
        assert!(work.join("view/inner/kept").exists());
        tree::remove(&work).unwrap();
        assert!(!work.exists());
        assert_eq!(fs::read_to_string(data.join("inner/kept")).unwrap(), "kept");
    };
    std::thread::spawn(work).join().unwrap();
}

#[test]
fn what_is_deeper_than_a_path_is_long_goes_too() {
    let space = tempfile::tempdir().unwrap();
    let work = space.path().join("work");
    fs::create_dir(&work).unwrap();
    let flags = rustix::fs::OFlags::DIRECTORY;
    let mut at = rustix::fs::open(&work, flags, rustix::fs::Mode::empty()).unwrap();
    for _ in 0..6000 {
        rustix::fs::mkdirat(&at, "d", 0o700.into()).unwrap();
        rustix::fs::mkdirat(&at, "lifted-1", 0o700.into()).unwrap();
        at = rustix::fs::openat(&at, "d", flags, rustix::fs::Mode::empty()).unwrap();
    }
    drop(at);
    tree::remove(&work).unwrap();
    assert!(!work.exists());
    tree::remove(Path::new("/nowhere/at/all")).unwrap();
}
