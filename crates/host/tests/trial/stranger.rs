//! A user without any right who keeps others waiting: in a user namespace of his own, a file system that he serves himself
//! (FUSE), an overlay over it that hides this, and a program that runs from there. Told so by a line on standard input, he
//! answers the kernel no more; at the end of that input everything ends, and with it whoever waits. As a `holder`, that
//! program keeps the lock of its own memory from then on.

use std::fs::File;
use std::io::{BufRead, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

const NOBODY: u32 = 65534;
const NONE: Option<&str> = None;

/// Of silence.
const LONGEST: Duration = Duration::from_secs(20);

type Done = Result<(), Box<dyn std::error::Error>>;

/// `who`: `nobody` or `holder` in namespaces of his own, or whoever started this, where it was started. The directory holds `f`, `e`
/// and `o`: the file system, an empty layer, and the overlay.
pub fn run(who: &str, dir: &Path) -> Done {
    if who != "root" {
        become_nobody()?;
    }
    let device = File::options().read(true).write(true).open("/dev/fuse")?;
    let (lower, over) = (dir.join("f"), dir.join("o"));
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
    mount(Some("stranger"), &lower, Some("fuse"), MsFlags::empty(), Some(options.as_str()))?;
    let (silent, body) = (Arc::new(AtomicBool::new(false)), std::fs::read("/bin/sleep")?);
    let hushed = silent.clone();
    std::thread::spawn(move || serve(device, &body, &hushed));
    let layers = format!("lowerdir={}:{}", lower.display(), dir.join("e").display());
    mount(Some("overlay"), &over, Some("overlay"), MsFlags::empty(), Some(layers.as_str()))?;
    let mut program = if who == "holder" {
        let mut own = Command::new("/proc/self/exe");
        own.args(["holder".as_ref(), lower.join("x").as_os_str()]).stdin(Stdio::piped()).spawn()?
    } else {
        Command::new(over.join("x")).arg("60").spawn()?
    };
    println!("{}", program.id());
    for line in std::io::stdin().lock().lines() {
        silent.store(line? == "silent", Ordering::Relaxed);
        // Whoever waits although nobody should is free again before a test gives up.
        std::thread::spawn(|| {
            std::thread::sleep(LONGEST);
            std::process::exit(1)
        });
        if let Some(mut told) = program.stdin.take() {
            told.write_all(b"now\n")?;
        }
        println!("so be it");
    }
    silent.store(false, Ordering::Relaxed);
    program.kill()?;
    std::process::exit(0)
}

/// Told so by a line on standard input, has the kernel read a page of a file whose server is silent for it, for which it
/// takes the lock of this process's memory; and asks for a mapping, so that nobody else has that lock either.
#[expect(unsafe_code, reason = "a mapping is made by hand")]
pub fn hold(file: &Path) -> Done {
    let file = File::open(file)?;
    // SAFETY: a new mapping, which touches none that is there, and which nothing here reads.
    let start = unsafe {
        libc::mmap(std::ptr::null_mut(), 4096, libc::PROT_READ, libc::MAP_PRIVATE, file.as_raw_fd(), 0)
    };
    if start == libc::MAP_FAILED {
        return Err(std::io::Error::last_os_error().into());
    }
    let (start, memory) = (start as u64, File::open("/proc/self/mem")?);
    let begun = Arc::new(AtomicBool::new(false));
    let is_begun = begun.clone();
    std::thread::spawn(move || {
        while !is_begun.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(200));
        std::thread::spawn(|| ());
    });
    std::io::stdin().read_line(&mut String::new())?;
    begun.store(true, Ordering::Relaxed);
    let _ = memory.read_at(&mut [0; 8], start);
    Ok(())
}

fn become_nobody() -> Done {
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_gid(rustix::fs::Gid::from_raw(NOBODY))?;
    rustix::thread::set_thread_uid(rustix::fs::Uid::from_raw(NOBODY))?;
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)?;
    unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {NOBODY} 1"))?;
    std::fs::write("/proc/self/gid_map", format!("0 {NOBODY} 1"))?;
    mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE)?;
    Ok(())
}

/// One directory with one file `x` (linux/fuse.h, protocol 7.31).
fn serve(mut device: File, body: &[u8], silent: &AtomicBool) {
    let mut buffer = vec![0; 1 << 20];
    while let Ok(count) = device.read(&mut buffer) {
        let Some((head, rest)) = buffer[..count].split_at_checked(40) else { continue };
        let number =
            |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap_or_default());
        let (code, unique, node) = (head[4], &head[8..16], number(head, 16));
        if silent.load(Ordering::Relaxed) {
            continue;
        }
        let answer = match code {
            // LOOKUP
            1 if rest.starts_with(b"x\0") => {
                Ok([longs(&[2, 0, 3600, 3600, 0]), facts(2, body.len())].concat())
            }
            1 => Err(libc::ENOENT),
            // FORGET, BATCH_FORGET
            2 | 42 => continue,
            // GETATTR
            3 => Ok([longs(&[3600, 0]), facts(node, body.len())].concat()),
            // OPEN, OPENDIR
            14 | 27 => Ok(longs(&[7, 0])),
            // READ
            15 => {
                let from = (number(rest, 8) as usize).min(body.len());
                let most = (number(rest, 16) & 0xffff_ffff) as usize;
                Ok(body[from..].iter().copied().take(most).collect())
            }
            // STATFS
            17 => Ok(longs(&[1, 1, 1, 1, 1, 4096 | 255 << 32, 4096, 0, 0, 0])),
            // RELEASE, FLUSH, READDIR, RELEASEDIR
            18 | 25 | 28 | 29 => Ok(Vec::new()),
            // INIT
            26 => {
                Ok(longs(&[7 | 31 << 32, 131_072, 12 << 16 | 16 | 131_072 << 32, 1 | 32 << 32, 0, 0, 0, 0]))
            }
            _ => Err(libc::ENOSYS),
        };
        let (errno, answer) = answer.map_or_else(|errno| (-errno, Vec::new()), |answer| (0, answer));
        let size = (16 + answer.len() as u32).to_le_bytes();
        let _ = device.write(&[&size, &errno.to_le_bytes(), unique, &answer].concat());
    }
}

fn longs(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// `struct fuse_attr`.
fn facts(node: u64, size: usize) -> Vec<u8> {
    let (mode, size) = if node == 1 { (0o40_755, 0) } else { (0o100_755, size as u64) };
    let (time, links) = (1_000_000_000, if node == 1 { 2 } else { 1 });
    let words: [u32; 10] = [0, 0, 0, mode, links, 0, 0, 0, 4096, 0];
    let words = words.iter().flat_map(|word| word.to_le_bytes());
    longs(&[node, size, 1, time, time, time]).into_iter().chain(words).collect()
}
