//! Open files: for how many clients the limit of descriptors leaves room.
//! In: `maxclients`, the limit. Out: `maxclients`, lowered if need be, and lines for the log.
//! Invariant: what the server needs for itself is promised to no client.

use ringlet_runtime::admin::CONNECTIONS_MAX;

use crate::config::Config;
use crate::limits::{DESCRIPTORS_PER_CORE, DESCRIPTORS_RESERVED};

/// Lowers `maxclients` to what `limit` descriptors allow, as Redis does; gives what the log must
/// say.
///
/// # Errors
/// One line when no client at all would fit.
pub fn fit_clients(config: &mut Config, cores: usize, limit: u64) -> Result<Vec<String>, String> {
    let wanted = config.clients_max;
    // A core has a listener for each address of both kinds of ports.
    let admin = if config.admin.is_some() { CONNECTIONS_MAX } else { 0 };
    let own = DESCRIPTORS_RESERVED + admin + cores * (DESCRIPTORS_PER_CORE + 2 * config.bind.len());
    let needed = wanted + own;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if limit >= needed {
        return Ok(Vec::new());
    }
    if limit <= own {
        return Err(format!(
            "Your current 'ulimit -n' of {limit} is not enough for the server to start. Please \
             increase your open file limit to at least {needed}. Exiting."
        ));
    }
    config.clients_max = limit - own;
    Ok(vec![
        format!(
            "You requested maxclients of {wanted} requiring at least {needed} max file descriptors."
        ),
        format!(
            "Current maximum open files is {limit}. maxclients has been reduced to {} to compensate \
             for low ulimit. If you need higher maxclients increase 'ulimit -n'.",
            config.clients_max
        ),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_get_what_the_server_does_not_need() {
        let mut config = Config { clients_max: 100, bind: vec!["::1".into()], ..Config::default() };
        let own = (DESCRIPTORS_RESERVED + 2 * (DESCRIPTORS_PER_CORE + 2)) as u64;
        assert_eq!(fit_clients(&mut config, 2, u64::MAX), Ok(Vec::new()));
        assert_eq!(fit_clients(&mut config, 2, own + 100), Ok(Vec::new()));
        assert_eq!(config.clients_max, 100);
        let said = fit_clients(&mut config, 2, own + 99).expect("99 fit").join("\n");
        assert_eq!(config.clients_max, 99);
        assert!(said.contains("maxclients of 100 requiring"), "{said}");
        assert!(said.contains("maxclients has been reduced to 99"), "{said}");
        let refusal = fit_clients(&mut config, 2, own).expect_err("nobody fits");
        assert!(refusal.contains("not enough for the server to start"), "{refusal}");
        let mut config = Config { admin: Some("localhost:1".into()), ..config };
        config.clients_max = 100;
        fit_clients(&mut config, 2, own + 99 + CONNECTIONS_MAX as u64).expect("99 fit");
        assert_eq!(config.clients_max, 99, "who asks for metrics takes no client's place");
    }
}
