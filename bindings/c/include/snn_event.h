/* The C interface of snn-event. Written by cbindgen from bindings/c/src: change it there, then
 * `SNN_WRITE_HEADER=1 cargo test --manifest-path bindings/c/Cargo.toml --test header`. */

#ifndef SNN_EVENT_H
#define SNN_EVENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// The fastest simulator for whole runs.
#define SNN_MODE_AUTO 0

// The fastest simulator for single steps.
#define SNN_MODE_EVENT 1

// The dense reference, which the others equal by bits.
#define SNN_MODE_DENSE 2

// The values of a sample are constant currents: their product with the weights is given in every step.
#define SNN_ENCODING_CONSTANT 0

// The same currents once, in the first step, and the biases with them.
#define SNN_ENCODING_ONCE 1

// The values are the probabilities of spikes in a step.
#define SNN_ENCODING_POISSON 2

// The values are the rates of evenly spaced spikes.
#define SNN_ENCODING_REGULAR 3

// What a call gave. Of all but `SNN_STATUS_OK` snn_last_error() has the text.
typedef enum SnnStatus {
  // It is done.
  SNN_STATUS_OK = 0,
  // An argument is not allowed by itself: a null pointer, a name that is not UTF-8, a number that stands for nothing.
  SNN_STATUS_ARGUMENT = 1,
  // Populations, projections or parameters do not make a network.
  SNN_STATUS_NETWORK = 2,
  // Samples, currents or spikes do not fit the network, or a run would take more memory than is allowed.
  SNN_STATUS_INPUT = 3,
  // A state is damaged, or is none of this network.
  SNN_STATUS_STATE = 4,
  // A file is damaged or holds something else.
  SNN_STATUS_FORMAT = 5,
  // The operating system refused: no such file, no permission, disk full.
  SNN_STATUS_SYSTEM = 6,
  // A fault of this library. The handle that was used can only be freed; please report the text.
  SNN_STATUS_FAULT = 7,
} SnnStatus;

// Collects populations and projections.
typedef struct SnnBuilder SnnBuilder;

// A spiking network, immutable. Any number of simulators and threads may use one.
typedef struct SnnNetwork SnnNetwork;

// What the samples of a batch gave.
typedef struct SnnOutcomes SnnOutcomes;

// Runs a network. It keeps what it needs of the network, which may be freed before.
typedef struct SnnSimulator SnnSimulator;

// How a batch is run. All zeros are the usual choices, but for `steps`.
typedef struct SnnRunOptions {
  // Steps of each sample, at least 1; with `until_quiet` the most.
  uint32_t steps;
  // Whether each sample ends when nothing will ever happen again.
  bool until_quiet;
  // SNN_MODE_AUTO, SNN_MODE_EVENT or SNN_MODE_DENSE.
  uint32_t mode;
  // SNN_ENCODING_CONSTANT, _ONCE, _POISSON or _REGULAR. Not looked at where spikes are given.
  uint32_t encoding;
  // The seed of SNN_ENCODING_POISSON.
  uint64_t seed;
  // Threads; 0 for all processors. No result depends on them.
  size_t threads;
} SnnRunOptions;

// What one sample gave. The arrays are borrowed from the outcomes; they stand in the user's order (channels first).
typedef struct SnnOutcome {
  // The sums of the values of the spikes of every neuron of the last population.
  const int64_t *counts;
  // How many.
  size_t count_length;
  // Potentials of the last population after the last step.
  const float *potentials;
  // How many; 0 if it has none.
  size_t potential_length;
  // The largest potential of a read-out, else the largest count; the lowest place among equals.
  size_t predicted;
  // Steps done.
  uint64_t steps;
  // Whether nothing will ever happen again, where that was asked for.
  bool quiet;
} SnnOutcome;

// How the neurons of a population stand: as an image, or, with a height and a width of 0, as a vector of so many channels.
typedef struct SnnShape {
  // Feature maps of an image, or the number of neurons of a vector.
  uint32_t channels;
  // Rows of pixels; 0 for a vector.
  uint32_t height;
  // Columns of pixels; 0 for a vector.
  uint32_t width;
} SnnShape;

// A parameter of a model by its name: one value for all neurons, one for each, or a divisor of their number, repeated along
// the neurons.
typedef struct SnnParameter {
  // Such as "threshold", "leak", "bias".
  const char *name;
  // The values.
  const float *values;
  // How many.
  size_t length;
} SnnParameter;

// A choice of a model, such as "reset": "subtract".
typedef struct SnnChoice {
  // The choice.
  const char *name;
  // The option taken.
  const char *option;
} SnnChoice;

// A convolution: kernels [out][in / groups][down][across].
typedef struct SnnConvolution {
  // Channels of the target, channels of the source that each sees, taps down and across.
  uint32_t kernels[4];
  // Steps down and across; 1 is usual.
  uint32_t stride[2];
  // Distance of neighbouring taps; 1 is usual.
  uint32_t dilation[2];
  // Empty positions around the source.
  uint32_t padding[2];
  // Groups of channels that are not connected with each other; 1 is usual.
  uint32_t groups;
} SnnConvolution;

// What is known of a population. The texts are borrowed from the network.
typedef struct SnnPopulation {
  // Its name, unique in the network.
  const char *name;
  // "source", "max-pool", or the name of a model such as "integrate-and-fire" or "leaky".
  const char *kind;
  // The number of neurons.
  size_t size;
  // How they stand.
  struct SnnShape shape;
  // The largest magnitude of the value of a spike; 0 if its neurons never fire.
  int32_t largest;
  // Whether values of spikes may be below 0.
  bool negative;
  // Whether its neurons have potentials, and so take currents.
  bool has_potential;
} SnnPopulation;

// What happened in a population since the start. The numbers are exact.
typedef struct SnnStatistics {
  // Spikes, whatever their values.
  uint64_t spikes;
  // The sum of the magnitudes of their values.
  uint64_t magnitude;
  // Weights of arriving spikes that were delivered.
  uint64_t synaptic_operations;
  // Pairs of neuron and step in which a weight or current arrived, or the neuron fired.
  uint64_t updates;
} SnnStatistics;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// The version of the library, such as "0.1.0".
const char *snn_version(void);

// Runs samples of values for the one source of a network, `[samples][neurons of the source]` in the user's order (channels
// first).
//
// # Safety
// `network` is a network, `options` are options; `values` has as many values as is said; `outcomes` may be written.
enum SnnStatus snn_network_run(const struct SnnNetwork *network,
                               const float *values,
                               size_t samples,
                               const struct SnnRunOptions *options,
                               struct SnnOutcomes **outcomes);

// Runs samples of given spikes, `[samples][given steps][neurons of the source]` in the user's order: their values, 0 for none.
// Steps beyond the given ones are without input.
//
// # Safety
// `network` is a network, `options` are options; `spikes` has as many values as is said; `outcomes` may be written.
enum SnnStatus snn_network_run_spikes(const struct SnnNetwork *network,
                                      const int16_t *spikes,
                                      size_t samples,
                                      size_t given_steps,
                                      const struct SnnRunOptions *options,
                                      struct SnnOutcomes **outcomes);

// Tells of one sample.
//
// # Safety
// `outcomes` are outcomes; `found` may be written.
enum SnnStatus snn_outcomes_get(const struct SnnOutcomes *outcomes, size_t sample, struct SnnOutcome *found);

// Frees outcomes; null is allowed.
//
// # Safety
// `outcomes` are outcomes that were not freed, or null.
void snn_outcomes_free(struct SnnOutcomes *outcomes);

// A new builder. Free it with snn_builder_free().
struct SnnBuilder *snn_builder_new(void);

// Frees a builder; null is allowed.
//
// # Safety
// `builder` is a builder that was not freed, or null.
void snn_builder_free(struct SnnBuilder *builder);

// Declares a population of `kind`: "source", "max-pool", or a model by its name, with its parameters and choices. Those
// that have a default may be left out. `population` becomes its number.
//
// # Safety
// `builder` is a builder; `name` and `kind` are texts; `parameters` and `choices` have as many elements as is said, of
// texts and values; `population` may be written.
enum SnnStatus snn_builder_population(struct SnnBuilder *builder,
                                      const char *name,
                                      struct SnnShape shape,
                                      const char *kind,
                                      const struct SnnParameter *parameters,
                                      size_t parameter_count,
                                      const struct SnnChoice *choices,
                                      size_t choice_count,
                                      uint32_t *population);

// Declares a projection with a weight for every pair of neurons, `[sources][targets]`, by ids; zeros are no synapses. Its
// spikes arrive `delay` steps after they were emitted.
//
// # Safety
// `builder` is a builder; `weights` has as many values as pairs.
enum SnnStatus snn_builder_dense(struct SnnBuilder *builder,
                                 uint32_t source,
                                 uint32_t target,
                                 uint32_t delay,
                                 const float *weights);

// Declares a projection of sparse weights in compressed rows (CSR), sources by targets, by ids: `row_starts` has a value for
// each source and one more; the targets of a row ascend, and no weight is 0.
//
// # Safety
// `builder` is a builder; `row_starts` has as many values as there are sources and one more; `targets` and `weights` have
// `synapses` values.
enum SnnStatus snn_builder_sparse(struct SnnBuilder *builder,
                                  uint32_t source,
                                  uint32_t target,
                                  uint32_t delay,
                                  const uint64_t *row_starts,
                                  const uint32_t *targets,
                                  const float *weights,
                                  size_t synapses);

// Declares a projection from neuron i to neuron i, with `length` weights: one for all, one for each, or a divisor of their
// number, repeated along the neurons.
//
// # Safety
// `builder` is a builder; `weights` has `length` values.
enum SnnStatus snn_builder_one_to_one(struct SnnBuilder *builder,
                                      uint32_t source,
                                      uint32_t target,
                                      uint32_t delay,
                                      const float *weights,
                                      size_t length);

// Declares a projection that is a convolution; its weights are the kernels, in C order.
//
// # Safety
// `builder` is a builder; `weights` has as many values as the four sizes of the kernels multiply to.
enum SnnStatus snn_builder_convolution(struct SnnBuilder *builder,
                                       uint32_t source,
                                       uint32_t target,
                                       uint32_t delay,
                                       struct SnnConvolution convolution,
                                       const float *weights);

// Checks everything and makes the network. The builder is empty afterwards, also if it fails.
//
// # Safety
// `builder` is a builder; `network` may be written.
enum SnnStatus snn_builder_build(struct SnnBuilder *builder, struct SnnNetwork **network);

// Opens a net.bin. Large files are mapped, not read. `memory_limit` is what runs may take, in bytes; 0 for 384 MiB or 64
// times the file, whichever is more.
//
// # Safety
// `path` is a text; `network` may be written.
enum SnnStatus snn_network_open(const char *path,
                                uint64_t memory_limit,
                                struct SnnNetwork **network);

// Reads the bytes of a net.bin, which are not needed any more afterwards.
//
// # Safety
// `bytes` has `length` bytes; `network` may be written.
enum SnnStatus snn_network_read(const uint8_t *bytes,
                                size_t length,
                                uint64_t memory_limit,
                                struct SnnNetwork **network);

// Writes a net.bin, complete or not at all.
//
// # Safety
// `network` is a network; `path` is a text.
enum SnnStatus snn_network_save(const struct SnnNetwork *network, const char *path);

// Frees a network; null is allowed. Simulators of it go on.
//
// # Safety
// `network` is a network that was not freed, or null.
void snn_network_free(struct SnnNetwork *network);

// The number of populations; they are numbered in order of declaration. The last one is the output. 0 for null.
//
// # Safety
// `network` is a network, or null.
uint32_t snn_network_populations(const struct SnnNetwork *network);

// Tells of a population.
//
// # Safety
// `network` is a network; `found` may be written.
enum SnnStatus snn_network_population(const struct SnnNetwork *network,
                                      uint32_t population,
                                      struct SnnPopulation *found);

// The number of the population of a name.
//
// # Safety
// `network` is a network, `name` a text; `population` may be written.
enum SnnStatus snn_network_find(const struct SnnNetwork *network, const char *name, uint32_t *population);

// The steps of the runs that a network is made for; 0 if it is made for runs of any length.
//
// # Safety
// `network` is a network; `steps` and `until_quiet` may be written, or are null.
enum SnnStatus snn_network_run_length(const struct SnnNetwork *network, uint32_t *steps, bool *until_quiet);

// Makes a simulator; `mode` is one of SNN_MODE_AUTO, SNN_MODE_EVENT and SNN_MODE_DENSE, which all give the same bits. It
// stands at step 0, without constant currents.
//
// # Safety
// `network` is a network; `simulator` may be written.
enum SnnStatus snn_simulator_new(const struct SnnNetwork *network,
                                 uint32_t mode,
                                 struct SnnSimulator **simulator);

// Frees a simulator; null is allowed.
//
// # Safety
// `simulator` is a simulator that was not freed, or null.
void snn_simulator_free(struct SnnSimulator *simulator);

// Goes back to step 0, with the constant currents of one sample for the source, `length` values in the user's order
// (channels first), or none if `length` is 0. `encoding` is SNN_ENCODING_CONSTANT or SNN_ENCODING_ONCE. What was given for
// the next step is forgotten.
//
// # Safety
// `simulator` is a simulator; `sample` has `length` values.
enum SnnStatus snn_simulator_start(struct SnnSimulator *simulator,
                                   const float *sample,
                                   size_t length,
                                   uint32_t encoding);

// Goes back to step 0 with the same constant currents.
//
// # Safety
// `simulator` is a simulator.
enum SnnStatus snn_simulator_reset(struct SnnSimulator *simulator);

// Gives a current to every neuron of a population in the next step, `length` values by ids, in units of their potentials.
// 0 is none. It takes the place of what was given to that population before.
//
// # Safety
// `simulator` is a simulator; `currents` has `length` values.
enum SnnStatus snn_simulator_give_currents(struct SnnSimulator *simulator,
                                           uint32_t population,
                                           const float *currents,
                                           size_t length);

// The same for some neurons, ids ascending.
//
// # Safety
// `simulator` is a simulator; `neurons` and `currents` have `length` values.
enum SnnStatus snn_simulator_give_currents_to(struct SnnSimulator *simulator,
                                              uint32_t population,
                                              const uint32_t *neurons,
                                              const float *currents,
                                              size_t length);

// Gives spikes to a population that fires, in the next step: they are emitted as if by its neurons, ids ascending, whose
// potentials they leave alone. `values` are theirs, or null if all are 1. They take the place of those that were given to that
// population before.
//
// # Safety
// `simulator` is a simulator; `neurons`, and `values` if it is not null, have `length` values.
enum SnnStatus snn_simulator_give_spikes(struct SnnSimulator *simulator,
                                         uint32_t population,
                                         const uint32_t *neurons,
                                         const int32_t *values,
                                         size_t length);

// Does one step with what was given for it.
//
// # Safety
// `simulator` is a simulator.
enum SnnStatus snn_simulator_step(struct SnnSimulator *simulator);

// Does so many steps, the first with what was given for it. snn_simulator_counts() tells of their spikes.
//
// # Safety
// `simulator` is a simulator.
enum SnnStatus snn_simulator_run(struct SnnSimulator *simulator, uint64_t steps);

// Goes on until nothing will ever happen again, at most until `limit` steps are done in all, the first with what was given
// for it. `quiet` tells whether it came to that, snn_simulator_now() when.
//
// # Safety
// `simulator` is a simulator; `quiet` may be written.
enum SnnStatus snn_simulator_run_until_quiet(struct SnnSimulator *simulator,
                                             uint64_t limit,
                                             bool *quiet);

// The number of steps done.
//
// # Safety
// `simulator` is a simulator; `steps` may be written.
enum SnnStatus snn_simulator_now(struct SnnSimulator *simulator, uint64_t *steps);

// The spikes of a population in the last step, ids ascending; `values` becomes null if all are 1. None after a run of
// several steps. Valid until the next call with this simulator.
//
// # Safety
// `simulator` is a simulator; the others may be written.
enum SnnStatus snn_simulator_spikes(struct SnnSimulator *simulator,
                                    uint32_t population,
                                    const uint32_t **neurons,
                                    const int32_t **values,
                                    size_t *count);

// The sums of the values of the spikes of every neuron of a population since the start, by ids: their numbers where all values
// are 1. Valid until the next call with this simulator.
//
// # Safety
// `simulator` is a simulator; the others may be written.
enum SnnStatus snn_simulator_counts(struct SnnSimulator *simulator,
                                    uint32_t population,
                                    const int64_t **counts,
                                    size_t *length);

// The potentials of a population after the last step, by ids; none for populations without. They are read where the simulator
// has them, and valid until the next call with it.
//
// # Safety
// `simulator` is a simulator; the others may be written.
enum SnnStatus snn_simulator_potentials(struct SnnSimulator *simulator,
                                        uint32_t population,
                                        const float **potentials,
                                        size_t *length);

// Where the run stands, as bytes from which any simulator of this network goes on: all that the next step depends on but what
// is given to it and the constant currents. Valid until the next call with this simulator; copy them to keep them.
//
// # Safety
// `simulator` is a simulator; the others may be written.
enum SnnStatus snn_simulator_save(struct SnnSimulator *simulator,
                                  const uint8_t **bytes,
                                  size_t *length);

// Goes on from saved bytes, with the constant currents of the last start. Counts go on counting. If it fails the simulator is
// as it was.
//
// # Safety
// `simulator` is a simulator; `bytes` has `length` bytes, which may be those of a save of another simulator.
enum SnnStatus snn_simulator_restore(struct SnnSimulator *simulator,
                                     const uint8_t *bytes,
                                     size_t length);

// Tells what happened in a population since the start.
//
// # Safety
// `simulator` is a simulator; `statistics` may be written.
enum SnnStatus snn_simulator_statistics(struct SnnSimulator *simulator,
                                        uint32_t population,
                                        struct SnnStatistics *statistics);

// The text of the last call of this thread that failed, or an empty one. It is valid until the next call of this thread
// that fails.
const char *snn_last_error(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* SNN_EVENT_H */
