// Builds a recurrent network in C++: leaky neurons on a ring, each exciting its right neighbour a step later, and a counter
// behind them. Sends a spike around, runs until nothing happens any more, and runs a batch of samples over threads.
//
//     c++ -std=c++17 ring.cpp $(pkg-config --cflags --libs snn-event) -o ring && ./ring
#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

#include <snn_event.h>

namespace {

void check(SnnStatus status) {
    if (status != SNN_STATUS_OK) {
        throw std::runtime_error(snn_last_error());
    }
}

struct Free {
    void operator()(SnnBuilder *builder) const { snn_builder_free(builder); }
    void operator()(SnnNetwork *network) const { snn_network_free(network); }
    void operator()(SnnSimulator *simulator) const { snn_simulator_free(simulator); }
    void operator()(SnnOutcomes *outcomes) const { snn_outcomes_free(outcomes); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

constexpr std::uint32_t N = 20;

Owned<SnnNetwork> build() {
    Owned<SnnBuilder> builder{snn_builder_new()};
    std::uint32_t input, ring, counter;
    check(snn_builder_population(builder.get(), "input", {4, 0, 0}, "source", nullptr, 0, nullptr, 0, &input));
    const float leak = 0.75f, rest = 2.0f;
    const SnnParameter parameters[] = {{"leak", &leak, 1}, {"refractory", &rest, 1}};
    const SnnChoice reset = {"reset", "to"};
    check(snn_builder_population(builder.get(), "ring", {N, 0, 0}, "leaky", parameters, 2, &reset, 1, &ring));
    const std::vector<float> threshold(N, 2.0f);
    const SnnParameter slow = {"threshold", threshold.data(), threshold.size()};
    check(snn_builder_population(builder.get(), "counter", {N, 0, 0}, "integrate-and-fire", &slow, 1, nullptr, 0,
                                 &counter));
    // Every input excites the ring at five places.
    std::vector<float> weights(4 * N);
    for (std::uint32_t from = 0; from < 4; from++) {
        for (std::uint32_t to = from; to < N; to += 4) {
            weights[from * N + to] = 0.5f;
        }
    }
    check(snn_builder_dense(builder.get(), input, ring, 0, weights.data()));
    // Rows in compressed form: neuron i has one synapse, onto i + 1. It dies out at the end of the ring.
    std::vector<std::uint64_t> starts{0};
    std::vector<std::uint32_t> targets;
    for (std::uint32_t neuron = 0; neuron < N; neuron++) {
        if (neuron + 1 < N) {
            targets.push_back(neuron + 1);
        }
        starts.push_back(targets.size());
    }
    const std::vector<float> ones(targets.size(), 1.0f);
    check(snn_builder_sparse(builder.get(), ring, ring, 1, starts.data(), targets.data(), ones.data(), ones.size()));
    const float one = 1.0f;
    check(snn_builder_one_to_one(builder.get(), ring, counter, 0, &one, 1));
    SnnNetwork *network = nullptr;
    check(snn_builder_build(builder.get(), &network));
    return Owned<SnnNetwork>{network};
}

} // namespace

int main() try {
    const Owned<SnnNetwork> network = build();
    std::uint32_t ring, counter;
    check(snn_network_find(network.get(), "ring", &ring));
    check(snn_network_find(network.get(), "counter", &counter));

    SnnSimulator *made = nullptr;
    check(snn_simulator_new(network.get(), SNN_MODE_AUTO, &made));
    const Owned<SnnSimulator> simulator{made};
    for (std::uint32_t first : {0u, 10u, 4u}) {
        check(snn_simulator_give_spikes(simulator.get(), ring, &first, nullptr, 1));
        bool quiet = false;
        check(snn_simulator_run_until_quiet(simulator.get(), 1000, &quiet));
        std::uint64_t now = 0;
        check(snn_simulator_now(simulator.get(), &now));
        std::printf("quiet %d after %llu\n", quiet, static_cast<unsigned long long>(now));
    }
    for (std::uint32_t population : {ring, counter}) {
        const std::int64_t *counts = nullptr;
        std::size_t length = 0;
        check(snn_simulator_counts(simulator.get(), population, &counts, &length));
        SnnStatistics statistics{};
        check(snn_simulator_statistics(simulator.get(), population, &statistics));
        std::printf("counts of %u:", population);
        for (std::size_t neuron = 0; neuron < length; neuron++) {
            std::printf(" %lld", static_cast<long long>(counts[neuron]));
        }
        std::printf("; %llu operations\n", static_cast<unsigned long long>(statistics.synaptic_operations));
    }

    // Six samples of rates for the four inputs.
    std::vector<float> rates;
    for (int at = 0; at < 6 * 4; at++) {
        rates.push_back(static_cast<float>(at % 9) / 8.0f);
    }
    SnnRunOptions options{};
    options.steps = 50;
    options.encoding = SNN_ENCODING_REGULAR;
    options.threads = 2;
    SnnOutcomes *ran = nullptr;
    check(snn_network_run(network.get(), rates.data(), 6, &options, &ran));
    const Owned<SnnOutcomes> outcomes{ran};
    for (std::size_t sample = 0; sample < 6; sample++) {
        SnnOutcome outcome{};
        check(snn_outcomes_get(outcomes.get(), sample, &outcome));
        std::printf("sample %zu: neuron %zu of", sample, outcome.predicted);
        for (std::size_t neuron = 0; neuron < outcome.count_length; neuron++) {
            std::printf(" %lld", static_cast<long long>(outcome.counts[neuron]));
        }
        std::printf("\n");
    }
    return 0;
} catch (const std::exception &error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
}
