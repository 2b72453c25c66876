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

            /// Its face for callers that hold JSON.
            pub const fn declared(self) -> Declared {
                match self { $(Self::$variant => Declared::of::<$action>(),)+ }
            }
        }
    };
}

catalogue! {
    EndpointIsolate => crate::endpoint::isolate::Isolate,
    EndpointRestore => crate::endpoint::restore::Restore,
    EndpointRunScript => crate::endpoint::run_script::RunScript,
    FileCollect => crate::file::collect::Collect,
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
