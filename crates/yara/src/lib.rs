//! YARA rules: compiled within limits, applied to files and to the memory of processes.
//!
//! The engine behind it is boreal, which no type here names, so that another can take its place. The syntax is that of
//! YARA 4.2; `docs/yara.md` says where the two differ. Nothing here opens anything: whoever calls passes bytes and
//! descriptors, which may be all that a confined process has.

mod compile;
mod cost;
mod memory;
mod named;
mod scan;
mod source;

pub use compile::{CompileError, Limits, Rules, Warning, compile_within};
pub use memory::Region;
pub use named::Named;
pub use scan::{Externals, Found, MetaValue, RuleMatch, Scan, ScanLimits, Stopped};

/// Modules that rules may import.
pub const MODULES: [&str; 9] = ["dex", "dotnet", "elf", "hash", "macho", "math", "pe", "string", "time"];
/// Variables that rules may use without defining them; each holds text about the file that is looked at, or nothing.
pub const EXTERNALS: [&str; 5] = ["filename", "filepath", "extension", "filetype", "owner"];
