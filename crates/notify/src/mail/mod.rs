//! E-mail: one letter to one person, over a relay that the tenant named.

mod address;
mod letter;
mod line;
mod post;
mod relay;
mod tls;

pub use address::{Address, BadAddress};
pub use letter::Letter;
pub use post::Mailer;
pub use relay::{BadRelay, Relay, Security};
