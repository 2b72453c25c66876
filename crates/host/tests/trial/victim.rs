//! A process whose memory a test knows: threads that wait, a secret in each kind of mapping, and reservations far
//! larger than the machine.
#![expect(unsafe_code, reason = "mappings are made by hand")]

use std::io::Write;
use std::time::Duration;

const GIB: usize = 1 << 30;

pub fn run() -> Result<(), Box<dyn std::error::Error>> {
    let heap = format!("heap secret of {}", std::process::id()).into_bytes();
    // 100 GiB that may not be touched, 1 TiB of which one page is, and one page that asks to be left out.
    let _reserved = map(100 * GIB, libc::PROT_NONE)?;
    let sparse = map(1024 * GIB, libc::PROT_READ | libc::PROT_WRITE)?;
    write(sparse, 777 * GIB, format!("sparse secret of {}", std::process::id()).as_bytes());
    let left_out = map(4096, libc::PROT_READ | libc::PROT_WRITE)?;
    write(left_out, 0, format!("unwanted secret of {}", std::process::id()).as_bytes());
    // SAFETY: the mapping from above, of that length.
    unsafe { libc::madvise(left_out, 4096, libc::MADV_DONTDUMP) };
    // Written, then closed to everybody: still there.
    let closed = map(4096, libc::PROT_READ | libc::PROT_WRITE)?;
    write(closed, 0, format!("closed secret of {}", std::process::id()).as_bytes());
    // SAFETY: as above.
    unsafe { libc::mprotect(closed, 4096, libc::PROT_NONE) };
    for number in 0..3 {
        std::thread::Builder::new().name(format!("waiter-{number}")).spawn(waits_for_ever)?;
    }
    println!("ready {:x} {:x}", heap.as_ptr() as usize, sparse as usize);
    std::io::stdout().flush()?;
    let mut count = 0u64;
    loop {
        std::thread::sleep(Duration::from_millis(1));
        count = std::hint::black_box(count + 1);
        println!("{count} {}", heap.len());
    }
}

#[inline(never)]
fn waits_for_ever() {
    loop {
        std::thread::park();
    }
}

fn map(size: usize, access: libc::c_int) -> Result<*mut libc::c_void, std::io::Error> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
    // SAFETY: a new mapping, which touches none that is there.
    let start = unsafe { libc::mmap(std::ptr::null_mut(), size, access, flags, -1, 0) };
    if start == libc::MAP_FAILED { Err(std::io::Error::last_os_error()) } else { Ok(start) }
}

fn write(start: *mut libc::c_void, at: usize, text: &[u8]) {
    // SAFETY: the callers' mappings are longer than `at` and the text, and may be written.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), start.cast::<u8>().add(at), text.len()) };
}
