"""plume: where will a cloud of pollutant over terrain be in the next minutes?

    dc/dt + div(u c) = div(K grad c) + q,   no flux through ground and lid, open sides

The past concentration volumes and static maps go in, the next volume comes out, and fed its own output the next
thirty. `v2_convlstm` keeps the volume's shape while it remembers (ConvLSTM); `v1_ensemble`, the flawed ancestor, pools
every frame to one vector and loses where things are.

Shi et al. (2015), Convolutional LSTM Network. Chang and Hanna (2004), Air quality model performance evaluation.
"""
