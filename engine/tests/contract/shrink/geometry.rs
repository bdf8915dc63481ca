//! Making a convolution smaller, with the images on both of its sides.

use snn_engine::{Conv2dGeometry, Layout};

use super::neurons;
use crate::case::{Case, Kind};

/// Cases with one convolution smaller: half or one less of a kernel or an extent, or a number of its geometry at its simplest.
/// None for projections of other kinds, or where nothing can be less.
pub fn smaller(case: &Case, projection: usize) -> Vec<Case> {
    let Kind::Conv2d { geometry, .. } = &case.projections[projection].kind else { return vec![] };
    let geometry = *geometry;
    let mut cases = vec![];
    for axis in 0..2 {
        let mut simple = |change: &dyn Fn(&mut Conv2dGeometry)| {
            let mut simpler = geometry;
            change(&mut simpler);
            if simpler != geometry {
                cases.push(with(case, projection, simpler));
            }
        };
        simple(&|geometry| geometry.pool[axis] = 1);
        simple(&|geometry| geometry.stride[axis] = 1);
        simple(&|geometry| geometry.dilation[axis] = 1);
        simple(&|geometry| geometry.padding[axis] = 0);
        simple(&|geometry| geometry.kernel[axis] = 1);
        simple(&|geometry| geometry.kernel[axis] -= u32::from(geometry.kernel[axis] > 1));
    }
    let lesser: [fn(u32) -> u32; 2] = [|n| n / 2, |n| n - 1];
    for axis in 0..3 {
        for less in lesser {
            if geometry.source[axis] > 1 {
                let mut simpler = geometry;
                simpler.source[axis] = less(geometry.source[axis]);
                cases.push(with(case, projection, simpler));
            }
            if geometry.target[axis] > 1 {
                let mut simpler = geometry;
                simpler.target[axis] = less(geometry.target[axis]);
                cases.push(with(case, projection, simpler));
            }
        }
    }
    cases
}

/// The case with another, nowhere larger geometry of a convolution: neurons and weights outside of it are gone.
fn with(case: &Case, projection: usize, geometry: Conv2dGeometry) -> Case {
    let mut case = case.clone();
    let one = &mut case.projections[projection];
    let ends = [one.source, one.target];
    let Kind::Conv2d { geometry: old, table, .. } = &mut one.kind else { return case };
    let before = std::mem::replace(old, geometry);
    let (channels, width) = (before.source[2] as usize, before.target[2] as usize);
    let across = before.kernel[1] as usize;
    let mut place = 0;
    table.retain(|_| {
        let (row, column) = (place / width, place % width);
        place += 1;
        let (tap, channel) = (row / channels, row % channels);
        tap / across < geometry.kernel[0] as usize
            && tap % across < geometry.kernel[1] as usize
            && channel < geometry.source[2] as usize
            && column < geometry.target[2] as usize
    });
    for (at, [from, to]) in
        ends.into_iter().zip([[before.source, geometry.source], [before.target, geometry.target]])
    {
        if from == to {
            continue;
        }
        neurons::keep(&mut case, at, |neuron| {
            Conv2dGeometry::position(from, neuron).iter().zip(to).all(|(at, extent)| *at < extent)
        });
        let [height, width, channels] = to;
        case.populations[at].layout = Layout::Image { channels, height, width };
    }
    case
}
