/* Opens a net.bin and drives it step by step with spikes and currents; reads potentials where the simulator has them; saves in
 * the midst, and goes on in another simulator. Prints every spike.
 *
 *     cc drive.c $(pkg-config --cflags --libs snn-event) -o drive && ./drive net.bin
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <snn_event.h>

static void check(SnnStatus status, const char *what) {
    if (status != SNN_STATUS_OK) {
        fprintf(stderr, "%s: %s (status %d)\n", what, snn_last_error(), (int)status);
        exit(1);
    }
}

static void print_step(SnnSimulator *simulator, uint32_t populations, uint64_t step) {
    for (uint32_t population = 0; population < populations; population++) {
        const uint32_t *neurons;
        const int32_t *values;
        size_t count;
        check(snn_simulator_spikes(simulator, population, &neurons, &values, &count), "spikes");
        for (size_t at = 0; at < count; at++) {
            printf("%" PRIu64 " %" PRIu32 " %" PRIu32 " %" PRId32 "\n", step, population, neurons[at],
                   values ? values[at] : 1);
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: drive net.bin\n");
        return 2;
    }
    SnnNetwork *network;
    check(snn_network_open(argv[1], 0, &network), "open");
    uint32_t populations = snn_network_populations(network);
    SnnPopulation input, output;
    check(snn_network_population(network, 0, &input), "input");
    check(snn_network_population(network, populations - 1, &output), "output");
    fprintf(stderr, "snn-event %s: %s, %zu inputs, %zu outputs (%s)\n", snn_version(), argv[1], input.size,
            output.size, output.kind);

    SnnSimulator *simulator, *other;
    check(snn_simulator_new(network, SNN_MODE_EVENT, &simulator), "simulator");
    check(snn_simulator_new(network, SNN_MODE_DENSE, &other), "another simulator");
    /* Simulators keep what they need of it. */
    snn_network_free(network);

    uint32_t *fired = malloc(input.size * sizeof *fired);
    float *currents = calloc(output.size, sizeof *currents);
    if (!fired || !currents) {
        return 1;
    }
    uint8_t *saved = NULL;
    size_t saved_length = 0;
    for (uint64_t step = 0; step < 40; step++) {
        size_t count = 0;
        for (uint32_t neuron = 0; neuron < input.size; neuron++) {
            if ((neuron * 7 + step * 13) % 11 == 0) {
                fired[count++] = neuron;
            }
        }
        check(snn_simulator_give_spikes(simulator, 0, fired, NULL, count), "give spikes");
        if (step % 5 == 3) {
            for (size_t neuron = 0; neuron < output.size; neuron++) {
                currents[neuron] = (float)neuron * 0.125f - 0.5f;
            }
            check(snn_simulator_give_currents(simulator, populations - 1, currents, output.size), "give currents");
        }
        check(snn_simulator_step(simulator), "step");
        print_step(simulator, populations, step);
        if (step == 20) {
            const uint8_t *bytes;
            check(snn_simulator_save(simulator, &bytes, &saved_length), "save");
            saved = malloc(saved_length);
            if (!saved) {
                return 1;
            }
            memcpy(saved, bytes, saved_length);
            /* The dense reference goes on from here, with equal bits. */
            check(snn_simulator_restore(other, saved, saved_length), "restore");
            SnnSimulator *former = simulator;
            simulator = other;
            other = former;
        }
    }
    const float *potentials;
    size_t length;
    check(snn_simulator_potentials(simulator, populations - 1, &potentials, &length), "potentials");
    for (size_t neuron = 0; neuron < length; neuron++) {
        uint32_t bits;
        memcpy(&bits, &potentials[neuron], sizeof bits);
        printf("potential %zu %08" PRIx32 "\n", neuron, bits);
    }

    /* What does not fit is refused with a text, and changes nothing. */
    uint32_t beyond = (uint32_t)input.size;
    if (snn_simulator_give_spikes(simulator, 0, &beyond, NULL, 1) != SNN_STATUS_INPUT || !*snn_last_error()) {
        fprintf(stderr, "a neuron that does not exist was not refused\n");
        return 1;
    }
    saved[saved_length / 2] ^= 1;
    if (snn_simulator_restore(simulator, saved, saved_length) != SNN_STATUS_STATE) {
        fprintf(stderr, "a damaged state was not refused\n");
        return 1;
    }
    if (snn_network_open("no such file", 0, &network) != SNN_STATUS_SYSTEM) {
        fprintf(stderr, "a file that does not exist was not refused\n");
        return 1;
    }
    free(saved);
    free(currents);
    free(fired);
    snn_simulator_free(simulator);
    snn_simulator_free(other);
    return 0;
}
