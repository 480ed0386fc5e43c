//! Which proxies are believed.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net};
use revocable_core::{Error, ErrorKind, Result};

/// The field in which proxies say whom they forward for. One of the two: who
/// reads both believes the one that the proxies do not write, and that a client
/// may write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ForwardedBy {
    /// `X-Forwarded-For`: of no standard, and what most proxies write.
    XForwardedFor,
    /// `Forwarded`: RFC 7239.
    Forwarded,
}

/// The proxies that stand between clients and the application, and are believed
/// when they say for whom.
///
/// Each of them has to add the address of who connected to it to the end of the
/// field, or to replace the field by that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedProxies {
    forwarded_by: ForwardedBy,
    trust: Trust,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Trust {
    Nobody,
    Networks(Vec<IpNet>),
    Hops(usize),
}

impl TrustedProxies {
    /// No proxies: who is connected is the client.
    pub fn none() -> Self {
        Self {
            forwarded_by: ForwardedBy::XForwardedFor,
            trust: Trust::Nobody,
        }
    }

    /// The proxies of these networks and addresses, such as `10.0.0.0/8` and
    /// `2001:db8::1`.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) if one is neither, if one
    /// holds all addresses, so that everybody could make up an address, or if
    /// there are none.
    pub fn networks<N: AsRef<str>>(
        forwarded_by: ForwardedBy,
        networks: impl IntoIterator<Item = N>,
    ) -> Result<Self> {
        let networks: Vec<_> = networks
            .into_iter()
            .map(|network| network_of(network.as_ref()))
            .collect::<Result<_>>()?;
        if networks.is_empty() {
            return refuse("trusted proxies by network need at least one network");
        }
        Ok(Self {
            forwarded_by,
            trust: Trust::Networks(networks),
        })
    }

    /// So many proxies, wherever they are: for those whose addresses change. Only
    /// where nothing reaches the application but by them all; who comes by fewer
    /// can make an address up.
    ///
    /// # Errors
    ///
    /// [`Configuration`](ErrorKind::Configuration) for zero.
    pub fn hops(forwarded_by: ForwardedBy, hops: usize) -> Result<Self> {
        if hops == 0 {
            return refuse("trusted proxies by number are at least one");
        }
        Ok(Self {
            forwarded_by,
            trust: Trust::Hops(hops),
        })
    }

    pub(super) fn forwarded_by(&self) -> ForwardedBy {
        self.forwarded_by
    }

    /// `None` if nobody is trusted.
    pub(super) fn begin(&self) -> Option<Trusting<'_>> {
        match &self.trust {
            Trust::Nobody => None,
            Trust::Networks(networks) => Some(Trusting::Networks(networks)),
            Trust::Hops(hops) => Some(Trusting::Hops(*hops)),
        }
    }
}

impl Default for TrustedProxies {
    /// [`TrustedProxies::none`].
    fn default() -> Self {
        Self::none()
    }
}

/// Trust on the way from proxy to proxy.
pub(super) enum Trusting<'a> {
    Networks(&'a [IpNet]),
    /// How many are left.
    Hops(usize),
}

impl Trusting<'_> {
    /// Whether the next one on the way is believed.
    pub(super) fn trusts(&mut self, address: IpAddr) -> bool {
        match self {
            Self::Networks(networks) => networks.iter().any(|network| network.contains(&address)),
            Self::Hops(left) => match left.checked_sub(1) {
                Some(fewer) => {
                    *left = fewer;
                    true
                }
                None => false,
            },
        }
    }
}

fn network_of(text: &str) -> Result<IpNet> {
    let network = match (text.parse::<IpNet>(), text.parse::<IpAddr>()) {
        (Ok(network), _) => network,
        (_, Ok(address)) => IpNet::from(address),
        _ => return refuse("a trusted proxy is a network such as 10.0.0.0/8, or an address"),
    };
    let network = canonical(network);
    if network.prefix_len() == 0 {
        return refuse("a network of trusted proxies does not hold all addresses");
    }
    Ok(network)
}

/// A network of mapped IPv4 addresses as IPv4, as the addresses are.
fn canonical(network: IpNet) -> IpNet {
    let (IpAddr::V4(address), Some(prefix_len)) = (
        network.addr().to_canonical(),
        network.prefix_len().checked_sub(96),
    ) else {
        return network;
    };
    match network {
        IpNet::V6(_) => Ipv4Net::new(address, prefix_len).map_or(network, IpNet::V4),
        IpNet::V4(_) => network,
    }
}

fn refuse<T>(message: &'static str) -> Result<T> {
    Err(Error::new(ErrorKind::Configuration, message))
}
