//! Job: explain figures as a sum of two shares, none of them negative.
//! In: points (what is known of each, what was measured). Out: the two factors that fit best.
//! Invariant: factors are finite and at least 0; the same points give the same factors.

/// A measurement: `value` is to be `factors[0] * known[0] + factors[1] * known[1]`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// What is known.
    pub known: [f64; 2],
    /// What was measured.
    pub value: f64,
    /// How much its error counts: one over the square of the error that is to be expected.
    pub weight: f64,
}

/// The factors, both at least 0, with the least weighted sum of squared errors. `None` if nothing
/// follows from the points.
pub fn fit(points: &[Point]) -> Option<[f64; 2]> {
    let sum = |term: &dyn Fn(&Point) -> f64| points.iter().map(|it| it.weight * term(it)).sum();
    let squares: [f64; 2] = [0, 1].map(|at| sum(&|it| it.known[at] * it.known[at]));
    let moments: [f64; 2] = [0, 1].map(|at| sum(&|it| it.known[at] * it.value));
    let mixed: f64 = sum(&|it| it.known[0] * it.known[1]);
    let is_usable = squares.iter().chain(&moments).all(|figure| figure.is_finite());
    if !is_usable || squares.iter().all(|square| *square <= 0.0) {
        return None;
    }
    let determinant = squares[0] * squares[1] - mixed * mixed;
    // Below this the two are the same up to rounding, and only their sum is known.
    if determinant > 1e-9 * squares[0] * squares[1] {
        let both = [
            (moments[0] * squares[1] - moments[1] * mixed) / determinant,
            (moments[1] * squares[0] - moments[0] * mixed) / determinant,
        ];
        if both.iter().all(|factor| *factor >= 0.0) {
            return Some(both);
        }
    }
    // The best lies on an edge: one of the two is 0.
    let alone = |at: usize| {
        let factor = if squares[at] > 0.0 { (moments[at] / squares[at]).max(0.0) } else { 0.0 };
        let mut factors = [0.0, 0.0];
        factors[at] = factor;
        factors
    };
    let error = |factors: &[f64; 2]| -> f64 {
        sum(&|it| {
            let fitted = factors[0] * it.known[0] + factors[1] * it.known[1];
            (fitted - it.value) * (fitted - it.value)
        })
    };
    let (first, second) = (alone(0), alone(1));
    Some(if error(&first) <= error(&second) { first } else { second })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(factors: [f64; 2]) -> Vec<Point> {
        let known = [[1.0, 2.0], [3.0, 1.0], [5.0, 8.0]];
        let value = |known: [f64; 2]| factors[0] * known[0] + factors[1] * known[1];
        known.map(|known| Point { known, value: value(known), weight: 1.0 }).to_vec()
    }

    fn assert_near(found: Option<[f64; 2]>, expected: [f64; 2]) {
        let found = found.expect("factors");
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-9, "{found} is not {expected}");
        }
    }

    #[test]
    fn exact_points_give_their_factors() {
        assert_near(fit(&points([0.25, 3.0])), [0.25, 3.0]);
        assert_near(fit(&points([0.0, 3.0])), [0.0, 3.0]);
    }

    #[test]
    fn a_factor_that_would_be_negative_is_nothing() {
        let [first, second] = fit(&points([2.0, -0.1])).expect("factors");
        assert!(first > 1.0 && first < 2.0, "the other one makes up for it: {first}");
        assert!(second.abs() < 1e-12, "{second}");
        assert_near(fit(&points([-2.0, -1.0])), [0.0, 0.0]);
    }

    #[test]
    fn points_that_tell_the_two_not_apart_are_explained_by_one() {
        let same = |size: f64| Point { known: [size, size], value: 3.0 * size, weight: 1.0 };
        let [first, second] = fit(&[same(1.0), same(2.0)]).expect("factors");
        assert!((first + second - 3.0).abs() < 1e-9);
        assert_eq!(fit(&[]), None);
        assert_eq!(fit(&[Point { known: [0.0, 0.0], value: 1.0, weight: 1.0 }]), None);
        assert_eq!(fit(&[Point { known: [1.0, 0.0], value: f64::NAN, weight: 1.0 }]), None);
    }

    #[test]
    fn a_weight_says_whom_to_believe() {
        let point = |value, weight| Point { known: [1.0, 0.0], value, weight };
        assert_near(fit(&[point(1.0, 3.0), point(2.0, 1.0)]), [1.25, 0.0]);
    }
}
