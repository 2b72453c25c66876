//! What may follow what: the states of commands and tasks, as one pure table.

/// Makes an enum with stable text forms.
macro_rules! texts {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident => $text:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant),+ }

        impl $name {
            /// Every one.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The stable text, as stored.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),+ }
            }

            /// Reads the stable text.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

texts! {
    /// The state of a command.
    CommandState {
        /// Waits for people.
        PendingApproval => "pending_approval",
        /// May be handed to its service.
        Queued => "queued",
        /// Handed to its service.
        Dispatched => "dispatched",
        /// The service began.
        Running => "running",
        /// The service says it is done; the evidence is judged.
        Verifying => "verifying",
        /// The effect was seen.
        Succeeded => "succeeded",
        /// Tried, and the effect was not seen.
        Failed => "failed",
        /// The service declined; nothing was changed.
        Refused => "refused",
        /// People declined.
        Rejected => "rejected",
        /// Called off.
        Canceled => "canceled",
        /// Nobody began it in time.
        Expired => "expired",
        /// It may have happened and nobody can know.
        Indeterminate => "indeterminate",
    }
}

texts! {
    /// The state of a task.
    TaskState {
        /// Waits for people.
        PendingApproval => "pending_approval",
        /// No command left the queue.
        Queued => "queued",
        /// At least one command left the queue, and not all have ended.
        Running => "running",
        /// All succeeded.
        Succeeded => "succeeded",
        /// The worst end is a failure.
        Failed => "failed",
        /// The worst end is a refusal of the service.
        Refused => "refused",
        /// People declined.
        Rejected => "rejected",
        /// The worst end is a cancellation.
        Canceled => "canceled",
        /// The worst end is that nobody began in time.
        Expired => "expired",
        /// Of at least one command nobody can know.
        Indeterminate => "indeterminate",
    }
}

/// What happens to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Event {
    /// People agreed.
    Approved,
    /// People declined.
    Rejected,
    /// What people had agreed to does not stand any more.
    ApprovalLost,
    /// Handed to the service, for the first time or again.
    Leased,
    /// The service says that it began.
    Started,
    /// The service says that it is done.
    ReportedDone,
    /// The service says that it failed.
    ReportedFailed,
    /// The service says that it declined before it changed anything.
    ReportedRefused,
    /// The service says that it stopped as asked.
    ReportedCanceled,
    /// The service says that it cannot know.
    ReportedIndeterminate,
    /// The evidence shows the effect.
    Verified,
    /// The evidence does not show the effect.
    Unverified,
    /// Somebody wants it called off.
    CancelAsked,
    /// The time to wait in this state is over.
    DeadlinePassed,
    /// The service shows that it never began, and may no longer begin.
    NeverBegan,
    /// The service forgot what it had begun.
    Forgotten,
    /// The endpoint's identity ended.
    Voided,
}

impl Event {
    /// Every one.
    pub const ALL: &'static [Self] = &[
        Self::Approved,
        Self::Rejected,
        Self::ApprovalLost,
        Self::Leased,
        Self::Started,
        Self::ReportedDone,
        Self::ReportedFailed,
        Self::ReportedRefused,
        Self::ReportedCanceled,
        Self::ReportedIndeterminate,
        Self::Verified,
        Self::Unverified,
        Self::CancelAsked,
        Self::DeadlinePassed,
        Self::NeverBegan,
        Self::Forgotten,
        Self::Voided,
    ];
}

/// The state after the event; `None` where the event cannot happen there, and changes nothing.
///
/// A command that was handed over can no longer be called off or expire: from then on only its service, or
/// the admission that nobody knows, ends it.
pub const fn next(state: CommandState, event: Event) -> Option<CommandState> {
    use CommandState as S;
    use Event as E;
    match state {
        S::PendingApproval => match event {
            E::Approved => Some(S::Queued),
            E::Rejected => Some(S::Rejected),
            E::CancelAsked | E::Voided => Some(S::Canceled),
            E::DeadlinePassed => Some(S::Expired),
            E::ApprovalLost
            | E::Leased
            | E::Started
            | E::ReportedDone
            | E::ReportedFailed
            | E::ReportedRefused
            | E::ReportedCanceled
            | E::ReportedIndeterminate
            | E::Verified
            | E::Unverified
            | E::NeverBegan
            | E::Forgotten => None,
        },
        S::Queued => match event {
            E::Leased => Some(S::Dispatched),
            E::ApprovalLost => Some(S::Rejected),
            E::CancelAsked | E::Voided => Some(S::Canceled),
            E::DeadlinePassed => Some(S::Expired),
            E::Approved
            | E::Rejected
            | E::Started
            | E::ReportedDone
            | E::ReportedFailed
            | E::ReportedRefused
            | E::ReportedCanceled
            | E::ReportedIndeterminate
            | E::Verified
            | E::Unverified
            | E::NeverBegan
            | E::Forgotten => None,
        },
        S::Dispatched => match event {
            E::Leased | E::CancelAsked => Some(S::Dispatched),
            E::Started => Some(S::Running),
            E::ReportedDone => Some(S::Verifying),
            E::ReportedFailed => Some(S::Failed),
            E::ReportedRefused => Some(S::Refused),
            E::ReportedCanceled => Some(S::Canceled),
            E::NeverBegan => Some(S::Expired),
            E::ReportedIndeterminate | E::DeadlinePassed | E::Forgotten | E::Voided => Some(S::Indeterminate),
            E::Approved | E::Rejected | E::ApprovalLost | E::Verified | E::Unverified => None,
        },
        S::Running => match event {
            E::Leased | E::CancelAsked | E::Started => Some(S::Running),
            E::ReportedDone => Some(S::Verifying),
            E::ReportedFailed => Some(S::Failed),
            E::ReportedRefused => Some(S::Refused),
            E::ReportedCanceled => Some(S::Canceled),
            E::ReportedIndeterminate | E::DeadlinePassed | E::Forgotten | E::Voided => Some(S::Indeterminate),
            E::Approved | E::Rejected | E::ApprovalLost | E::Verified | E::Unverified | E::NeverBegan => None,
        },
        S::Verifying => match event {
            E::Verified => Some(S::Succeeded),
            E::Unverified => Some(S::Failed),
            E::CancelAsked => Some(S::Verifying),
            E::DeadlinePassed | E::Voided => Some(S::Indeterminate),
            E::Approved
            | E::Rejected
            | E::ApprovalLost
            | E::Leased
            | E::Started
            | E::ReportedDone
            | E::ReportedFailed
            | E::ReportedRefused
            | E::ReportedCanceled
            | E::ReportedIndeterminate
            | E::NeverBegan
            | E::Forgotten => None,
        },
        S::Succeeded | S::Failed | S::Refused | S::Rejected | S::Canceled | S::Expired | S::Indeterminate => {
            None
        }
    }
}

impl CommandState {
    /// Whether nothing follows.
    pub const fn is_end(self) -> bool {
        self.end().is_some()
    }

    /// The end that this is for its task; `None` while it is open.
    pub const fn end(self) -> Option<TaskState> {
        match self {
            Self::PendingApproval | Self::Queued | Self::Dispatched | Self::Running | Self::Verifying => None,
            Self::Succeeded => Some(TaskState::Succeeded),
            Self::Failed => Some(TaskState::Failed),
            Self::Refused => Some(TaskState::Refused),
            Self::Rejected => Some(TaskState::Rejected),
            Self::Canceled => Some(TaskState::Canceled),
            Self::Expired => Some(TaskState::Expired),
            Self::Indeterminate => Some(TaskState::Indeterminate),
        }
    }
}

impl TaskState {
    /// Whether nothing follows.
    pub const fn is_end(self) -> bool {
        match self {
            Self::PendingApproval | Self::Queued | Self::Running => false,
            Self::Succeeded
            | Self::Failed
            | Self::Refused
            | Self::Rejected
            | Self::Canceled
            | Self::Expired
            | Self::Indeterminate => true,
        }
    }

    /// How bad this end is: a task takes the worst of its commands. Stored, so it never changes.
    pub const fn rank(self) -> i64 {
        match self {
            Self::PendingApproval | Self::Queued | Self::Running | Self::Succeeded => 0,
            Self::Canceled => 10,
            Self::Rejected => 20,
            Self::Expired => 30,
            Self::Refused => 40,
            Self::Failed => 50,
            Self::Indeterminate => 60,
        }
    }

    /// The end with this rank.
    pub fn of_rank(rank: i64) -> Option<Self> {
        Self::ALL.iter().copied().find(|state| state.is_end() && state.rank() == rank)
    }
}
