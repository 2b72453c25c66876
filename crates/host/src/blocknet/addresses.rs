//! Many addresses in little memory: four bytes for one of IPv4, sixteen for one of IPv6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::isolate::Network;

/// Addresses and networks, sorted, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    four: Vec<u32>,
    six: Vec<u128>,
    networks: Vec<Network>,
}

impl Addresses {
    /// Adds one; [`Addresses::seal`] makes it found.
    pub fn push(&mut self, network: Network) {
        match network.address() {
            IpAddr::V4(four) if network.prefix() == 32 => self.four.push(four.to_bits()),
            IpAddr::V6(six) if network.prefix() == 128 => self.six.push(six.to_bits()),
            _ => self.networks.push(network),
        }
    }

    /// Puts what was added in order, and takes no more memory than that.
    #[must_use]
    pub fn seal(mut self) -> Self {
        fn seal<T: Ord>(list: &mut Vec<T>) {
            list.sort_unstable();
            list.dedup();
            list.shrink_to_fit();
        }
        seal(&mut self.four);
        seal(&mut self.six);
        seal(&mut self.networks);
        self
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.four.is_empty() && self.six.is_empty() && self.networks.is_empty()
    }

    /// The single addresses of a family.
    pub(super) fn singles(&self, four: bool) -> impl Iterator<Item = IpAddr> {
        let (fours, sixes): (&[u32], &[u128]) = if four { (&self.four, &[]) } else { (&[], &self.six) };
        let fours = fours.iter().map(|bits| Ipv4Addr::from_bits(*bits).into());
        fours.chain(sixes.iter().map(|bits| Ipv6Addr::from_bits(*bits).into()))
    }

    /// Whether this very address was added as a single one.
    pub(super) fn has(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(four) => self.four.binary_search(&four.to_bits()).is_ok(),
            IpAddr::V6(six) => self.six.binary_search(&six.to_bits()).is_ok(),
        }
    }

    /// What is wider than one address.
    pub(super) fn networks(&self) -> &[Network] {
        &self.networks
    }
}

impl FromIterator<Network> for Addresses {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        let mut addresses = Self::default();
        networks.into_iter().for_each(|network| addresses.push(network));
        addresses.seal()
    }
}
