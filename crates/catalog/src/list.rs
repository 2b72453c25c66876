//! The one list of all actions.

use crate::{Action, Declared, Spec};

macro_rules! catalogue {
    ($($variant:ident => $action:ty),+ $(,)?) => {
        /// Names every action, for matches that the compiler keeps complete.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum ActionKind {
            $(#[doc = concat!("`", stringify!($action), "`.")] $variant,)+
        }

        impl ActionKind {
            /// Every action, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Its facts.
            pub const fn spec(self) -> &'static Spec {
                match self { $(Self::$variant => &<$action as Action>::SPEC,)+ }
            }

            /// Who may ask for it.
            pub const fn requesters(self) -> crate::Requesters {
                match self { $(Self::$variant => <$action as Action>::REQUESTERS,)+ }
            }

            /// Its face for callers that hold JSON.
            pub const fn declared(self) -> Declared {
                match self { $(Self::$variant => Declared::of::<$action>(),)+ }
            }
        }
    };
}

catalogue! {
    BlocklistAdd => crate::blocklist::add::Add,
    BlocklistRemove => crate::blocklist::remove::Remove,
    EndpointCollectChain => crate::endpoint::collect_chain::CollectChain,
    EndpointCollectEvidence => crate::endpoint::collect_evidence::CollectEvidence,
    EndpointIsolate => crate::endpoint::isolate::Isolate,
    EndpointRemoteShell => crate::endpoint::remote_shell::RemoteShell,
    EndpointRestore => crate::endpoint::restore::Restore,
    EndpointRunInvestigationKit => crate::endpoint::run_investigation_kit::RunInvestigationKit,
    EndpointRunOsquery => crate::endpoint::run_osquery::RunOsquery,
    EndpointRunScript => crate::endpoint::run_script::RunScript,
    EndpointRunYara => crate::endpoint::run_yara::RunYara,
    EndpointScanMalware => crate::endpoint::scan_malware::ScanMalware,
    FileAllowRun => crate::file::allow_run::AllowRun,
    FileCollect => crate::file::collect::Collect,
    FileDelete => crate::file::delete::Delete,
    FilePreventRun => crate::file::prevent_run::PreventRun,
    FileQuarantine => crate::file::quarantine::Quarantine,
    FileRestore => crate::file::restore::Restore,
    ProcessDumpMemory => crate::process::dump_memory::DumpMemory,
    ProcessList => crate::process::list::List,
    ProcessStart => crate::process::start::Start,
    ProcessTerminate => crate::process::terminate::Terminate,
}

impl ActionKind {
    /// The action with this id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.spec().id == id)
    }

    /// Its id.
    pub const fn id(self) -> &'static str {
        self.spec().id
    }
}
