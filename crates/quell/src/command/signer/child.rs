//! The signer that a server starts by itself.

use quell_server::Signing;

/// `quell signer run` as a child, started again when it dies, until the server has ended.
#[cfg(target_os = "linux")]
pub fn of_server(log_json: bool) -> Signing {
    use std::path::PathBuf;

    use quell_host::keep::{Kept, Program};
    use quell_server::Launcher;

    Signing::Child(Launcher::new(move |directory| {
        // The file that this process runs, even when another has taken its name by now.
        let own = PathBuf::from("/proc/self/exe");
        let path = if own.exists() { own } else { std::env::current_exe()? };
        let mut arguments = vec!["signer".into(), "run".into(), "--lifeline".into(), "--dir".into()];
        arguments.push(directory.as_os_str().to_owned());
        arguments.extend(log_json.then(|| "--log-json".into()));
        // The server's settings are none of its business.
        let environment = std::env::var_os("QUELL_LOG").map(|filter| ("QUELL_LOG".into(), filter));
        let program = Program {
            path,
            name: "quell-signer".into(),
            arguments,
            environment: environment.into_iter().collect(),
        };
        Ok(Box::new(Kept::start(program)?))
    }))
}

/// Elsewhere it is a thread of the server.
#[cfg(not(target_os = "linux"))]
pub fn of_server(_: bool) -> Signing {
    Signing::Inside
}
