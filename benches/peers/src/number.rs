//! Numbers, and how they are written.

pub(crate) fn median(values: Vec<f64>) -> f64 {
    quantile(values, 0.5)
}

/// The value that a share of the values lies below; 0 of none.
pub(crate) fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    values.get((last as f64 * share).round() as usize).copied().unwrap_or_default()
}

/// Quotients, from very small to very large.
pub(crate) fn ratio(ratio: f64) -> String {
    match ratio {
        ratio if ratio >= 10.0 => grouped(ratio),
        ratio if ratio >= 0.1 => format!("{ratio:.2}"),
        ratio => format!("{ratio:.4}"),
    }
}

/// With about three digits that mean something.
pub(crate) fn figure(number: f64) -> String {
    match number {
        number if number >= 100.0 => grouped(number),
        number if number >= 10.0 => format!("{number:.1}"),
        number => format!("{number:.2}"),
    }
}

pub(crate) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// So many of a thing, in words that fit one and many.
pub(crate) fn clients(number: u32) -> String {
    if number == 1 { "One client".to_owned() } else { format!("{number} clients") }
}
