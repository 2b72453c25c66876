//! The allocator's habits, for a process that sleeps most of the time: what is free goes back to the system.

#[cfg(target_env = "gnu")]
mod gnu {
    /// Blocks of this size and more are mapped each for itself, and go back as soon as they are free. Bytes.
    const MAPPED: libc::c_int = 128 << 10;
    /// Separate heaps; each keeps what was free in it.
    const ARENAS: libc::c_int = 2;

    pub fn be_frugal() {
        // SAFETY: mallopt(3) takes two numbers and touches nothing of ours; it may be called at any time.
        unsafe {
            libc::mallopt(libc::M_ARENA_MAX, ARENAS);
            // Set once, it does not grow with the largest block that was freed.
            libc::mallopt(libc::M_MMAP_THRESHOLD, MAPPED);
        }
    }

    pub fn give_back() {
        // SAFETY: malloc_trim(3) gives whole free pages back to the system; nothing that is in use is touched.
        unsafe {
            libc::malloc_trim(0);
        }
    }
}

/// Makes the heap of this process small rather than quick. Call it before there are threads. Elsewhere than with the GNU C
/// library it changes nothing.
pub fn be_frugal() {
    #[cfg(target_env = "gnu")]
    gnu::be_frugal();
}

/// Gives free memory back to the system; after work that needed much. Takes some milliseconds.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    gnu::give_back();
}
