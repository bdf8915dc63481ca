//! Operators that make probabilities or classes of scores. They are left out where nothing but the net's output depends on
//! them.

use super::{Attributes, Call, Objection, Translated, Value, squashing};
use crate::ann::{Decision, Shape};

impl Call<'_> {
    pub(super) fn decision(&mut self) -> Translated {
        if !self.last {
            return Err(inside(self.op));
        }
        let mut steps = self.inputs.iter().flatten().filter_map(|value| match value {
            Value::Step(step) => Some(*step),
            _ => None,
        });
        let step = steps.next().ok_or("an input is missing")?;
        decision(self.op, self.attributes, &self.draft.steps[step].shape, self.opset)?;
        Ok(Value::Step(step))
    }
}

/// What is wrong with such an operator in front of others.
pub(in crate::import) fn inside(op: &str) -> Objection {
    let reason = format!("{op} inside the net cannot be converted, only behind its last layer");
    Objection::new(reason, squashing(op))
}

/// What an operator decides about activations of a shape, by the definitions of the operator sets 1, 11 and 13; nothing that
/// can be told in numbers, if it makes labels of them.
pub(in crate::import) fn decision(
    op: &str,
    attributes: Attributes<'_>,
    shape: &Shape,
    opset: i64,
) -> Result<Option<Decision>, Objection> {
    match op {
        "Sigmoid" => return Ok(Some(Decision::Sigmoid)),
        "Tanh" => return Ok(Some(Decision::Tanh)),
        "Log" => return Ok(Some(Decision::Log)),
        "Exp" => return Ok(Some(Decision::Exp)),
        "Softmax" | "LogSoftmax" | "ArgMax" => {}
        _ => return Ok(None),
    }
    if op == "ArgMax" && attributes.flag("select_last_index")? {
        return Err(Objection::new(
            "it takes the last of equal scores, and read-outs the first",
            "export it without select_last_index",
        ));
    }
    let rank = shape.rank() as i64 + 1;
    let usual = match op {
        "ArgMax" => 0,
        _ if opset < 13 => 1,
        _ => -1,
    };
    let given = attributes.int("axis")?.unwrap_or(usual);
    let axis = if given < 0 { given + rank } else { given };
    if !(0..rank).contains(&axis) {
        return Err(Objection::from(format!("its axis is {given}; allowed are {} to {}", -rank, rank - 1)));
    }
    let Some(axis) = usize::try_from(axis - 1).ok() else {
        return Err(Objection::new(
            format!("{op} along axis {given} compares the samples of a batch with one another"),
            "give it the axis of the classes, 1 for outputs [N, classes]",
        ));
    };
    // Older operator sets take all axes from the given one on as one.
    let axes = axis..if opset < 13 { shape.rank() } else { axis + 1 };
    Ok(Some(match op {
        "ArgMax" => Decision::ArgMax(axis),
        "LogSoftmax" => Decision::LogSoftmax(axes),
        _ => Decision::Softmax(axes),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rten_onnx::onnx::AttributeProto;

    #[test]
    fn the_axis_of_a_decision_is_that_of_the_operator_set_and_never_the_batch() {
        let shape = Shape::new([3, 4, 5]).unwrap();
        let of = |op: &str, axis: Option<i64>, opset: i64| {
            let attribute =
                |axis| AttributeProto { name: Some("axis".into()), i: Some(axis), ..Default::default() };
            let attributes: Vec<AttributeProto> = axis.map(attribute).into_iter().collect();
            decision(op, Attributes(&attributes), &shape, opset)
        };
        for (op, axis, opset, expected) in [
            ("Softmax", None, 13, Decision::Softmax(2..3)),
            ("Softmax", Some(1), 13, Decision::Softmax(0..1)),
            ("Softmax", None, 11, Decision::Softmax(0..3)),
            ("LogSoftmax", Some(2), 11, Decision::LogSoftmax(1..3)),
            ("LogSoftmax", Some(-3), 17, Decision::LogSoftmax(0..1)),
            ("ArgMax", Some(1), 11, Decision::ArgMax(0)),
            ("ArgMax", Some(-1), 17, Decision::ArgMax(2)),
        ] {
            assert_eq!(of(op, axis, opset).unwrap(), Some(expected), "{op} {axis:?} {opset}");
        }
        for (op, axis) in
            [("ArgMax", None), ("ArgMax", Some(0)), ("Softmax", Some(-4)), ("LogSoftmax", Some(0))]
        {
            let reason = of(op, axis, 17).unwrap_err().reason;
            assert!(reason.contains("compares the samples of a batch"), "{reason}");
        }
        assert!(of("Softmax", Some(4), 17).unwrap_err().reason.contains("allowed are -4 to 3"));
    }
}
