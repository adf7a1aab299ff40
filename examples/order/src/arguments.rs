//! What was asked for on the command line.

pub(crate) const USAGE: &str = "\
Serves the shop over HTTP: in memory, or on PostgreSQL when DATABASE_URL is set.

Usage: order [--port PORT] [--demo]

  --port PORT  listen there on 127.0.0.1; the default is the variable PORT, or else 3000
  --demo       serve on a free port, go shopping there, and tell what happens
  --help       show this";

const DEFAULT_PORT: u16 = 3000;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Arguments {
    pub(crate) port: u16,
    pub(crate) demo: bool,
    pub(crate) help: bool,
}

impl Arguments {
    /// Takes the arguments, and the variable `PORT`.
    pub(crate) fn parse(mut given: impl Iterator<Item = String>, port: Option<String>) -> Result<Self, String> {
        let mut port = port.filter(|port| !port.is_empty()).map(|port| ("PORT", port));
        let (mut demo, mut help) = (false, false);
        while let Some(argument) = given.next() {
            match argument.as_str() {
                "--demo" => demo = true,
                "--help" | "-h" => help = true,
                "--port" => port = Some(("--port", given.next().ok_or("--port wants a number")?)),
                other => match other.strip_prefix("--port=") {
                    Some(number) => port = Some(("--port", number.to_owned())),
                    None => return Err(format!("`{other}` is not known\n\n{USAGE}")),
                },
            }
        }
        let port = port.map_or(Ok(DEFAULT_PORT), |(name, port)| {
            port.parse().map_err(|_| format!("{name} wants a number from 0 to 65535, not `{port}`"))
        })?;
        Ok(Self { port, demo, help })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(given: &[&str], port: Option<&str>) -> Result<Arguments, String> {
        Arguments::parse(given.iter().map(|&argument| argument.to_owned()), port.map(str::to_owned))
    }

    #[test]
    fn the_port_is_said_by_an_argument_or_a_variable_or_nobody() {
        for (given, variable, port) in [
            (&[][..], None, 3000),
            (&[], Some(""), 3000),
            (&[], Some("8080"), 8080),
            (&["--port", "9"], Some("8080"), 9),
            (&["--port=0"], None, 0),
        ] {
            assert_eq!(parse(given, variable).map(|arguments| arguments.port), Ok(port), "{given:?} {variable:?}");
        }
    }

    #[test]
    fn what_is_not_known_is_said() {
        assert!(parse(&["--prot", "9"], None).unwrap_err().starts_with("`--prot` is not known"));
        assert_eq!(parse(&["--port"], None).unwrap_err(), "--port wants a number");
        assert_eq!(parse(&["--port", "x"], None).unwrap_err(), "--port wants a number from 0 to 65535, not `x`");
        assert_eq!(parse(&[], Some("70000")).unwrap_err(), "PORT wants a number from 0 to 65535, not `70000`");
        assert!(parse(&["--demo"], None).unwrap().demo && parse(&["-h"], None).unwrap().help);
    }
}
