"""Losses of small training programs, step by step, against what PyTorch gives for the same seeds."""

import random

import pytest

import trivium.torch as torch
import trivium.torch.nn as nn
import trivium.torch.nn.functional as F


def close(got, wanted, rel):
    assert got == pytest.approx(wanted, rel=rel)


class Net(nn.Module):
    """The network of the MNIST example."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, 1)
        self.conv2 = nn.Conv2d(32, 64, 3, 1)
        self.dropout1 = nn.Dropout(0.25)
        self.dropout2 = nn.Dropout(0.5)
        self.fc1 = nn.Linear(9216, 128)
        self.fc2 = nn.Linear(128, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = self.dropout1(F.max_pool2d(x, 2))
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return F.log_softmax(self.fc2(self.dropout2(x)), dim=1)


@pytest.mark.parametrize("seed, wanted", [
    (0, [628.283936, 570.317444, 520.472168, 274.416168, 6.749297]),
    (1, [691.524231, 625.654846, 569.620300, 297.310242, 4.365288]),
    (2, [698.191711, 626.247070, 566.482666, 292.193451, 6.184448]),
])
def test_two_layers_with_adam_and_a_step_by_hand(seed, wanted):
    torch.manual_seed(seed)
    x = torch.autograd.Variable(torch.randn(64, 1000))
    y = torch.autograd.Variable(torch.randn(64, 10), requires_grad=False)
    model = nn.Sequential(nn.Linear(1000, 100), nn.ReLU(), nn.Linear(100, 10))
    with pytest.warns(UserWarning):
        loss_fn = nn.MSELoss(size_average=False)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    got = []
    for t in range(51):
        loss = loss_fn(model(x), y)
        if t in (0, 1, 2, 10, 50):
            got.append(loss.item())
        model.zero_grad()
        loss.backward()
        optimizer.step()
        for param in model.parameters():
            param.data -= 1e-4 * param.grad.data
    close(got[:4], wanted[:4], 1e-5)
    close(got[4], wanted[4], 1e-4)


def test_gradients_by_hand():
    torch.manual_seed(0)
    x, y = torch.randn(64, 1000), torch.randn(64, 10)
    w1, w2 = torch.randn(1000, 100), torch.randn(100, 10)
    got = []
    for t in range(11):
        h = x.mm(w1)
        h_relu = h.clamp(min=0)
        y_pred = h_relu.mm(w2)
        got.append((y_pred - y).pow(2).sum().item())
        grad_y = 2.0 * (y_pred - y)
        grad_h = grad_y.mm(w2.t()).clone()
        grad_h[h < 0] = 0
        w2 -= 1e-6 * h_relu.t().mm(grad_y)
        w1 -= 1e-6 * x.t().mm(grad_h)
    close([got[0], got[1], got[10]], [29428664, 22739448, 2315861], 1e-5)


def test_a_layer_used_a_random_number_of_times_is_skipped_when_unused():
    class Dynamic(nn.Module):
        def __init__(self):
            super().__init__()
            self.input_linear = nn.Linear(1000, 100)
            self.middle_linear = nn.Linear(100, 100)
            self.output_linear = nn.Linear(100, 10)

        def forward(self, x):
            h = self.input_linear(x).clamp(min=0)
            for _ in range(random.randint(0, 3)):
                h = self.middle_linear(h).clamp(min=0)
            return self.output_linear(h)

    torch.manual_seed(0)
    random.seed(0)
    x, y = torch.randn(64, 1000), torch.randn(64, 10)
    model = Dynamic()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9)
    got = []
    for t in range(51):
        loss = nn.MSELoss(reduction="sum")(model(x), y)
        if t in (0, 1, 10, 50):
            got.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    close(got, [620.634460, 619.270020, 585.157227, 134.787079], 1e-5)


def test_convolutions_dropout_and_adadelta():
    torch.manual_seed(1)
    net = Net()
    x, y = torch.randn(16, 1, 28, 28), torch.randint(0, 10, (16,))
    optimizer = torch.optim.Adadelta(net.parameters(), lr=1)
    got = []
    for _ in range(6):
        optimizer.zero_grad()
        loss = F.nll_loss(net(x), y)
        got.append(loss.item())
        loss.backward()
        optimizer.step()
    close(got, [2.343805, 2.793309, 2.216364, 2.045456, 1.792886, 1.452027], 1e-4)
    net.eval()
    close(F.nll_loss(net(x), y, reduction="sum").item(), 20.1432, 1e-4)


def test_adversarial_pair():
    def weights_init(m):
        name = m.__class__.__name__
        if name.find("Conv") != -1:
            nn.init.normal_(m.weight, 0.0, 0.02)
        elif name.find("BatchNorm") != -1:
            nn.init.normal_(m.weight, 1.0, 0.02)
            nn.init.zeros_(m.bias)

    torch.manual_seed(1)
    G = nn.Sequential(nn.ConvTranspose2d(10, 16, 4, 1, 0, bias=False), nn.BatchNorm2d(16), nn.ReLU(True),
                      nn.ConvTranspose2d(16, 8, 4, 2, 1, bias=False), nn.BatchNorm2d(8), nn.ReLU(True),
                      nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False), nn.Tanh())
    G.apply(weights_init)
    D = nn.Sequential(nn.Conv2d(3, 8, 4, 2, 1, bias=False), nn.LeakyReLU(0.2, inplace=True),
                      nn.Conv2d(8, 16, 4, 2, 1, bias=False), nn.BatchNorm2d(16),
                      nn.LeakyReLU(0.2, inplace=True), nn.Conv2d(16, 1, 4, 1, 0, bias=False),
                      nn.Sigmoid())
    D.apply(weights_init)
    real = torch.rand(8, 3, 16, 16) * 2 - 1
    criterion = nn.BCELoss()
    opt_d = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.5, 0.999))
    opt_g = torch.optim.Adam(G.parameters(), lr=2e-3, betas=(0.5, 0.999))
    losses_d, losses_g = [], []
    for _ in range(5):
        D.zero_grad()
        label = torch.full((8,), 1.0)
        loss_real = criterion(D(real).view(-1, 1).squeeze(1), label)
        loss_real.backward()
        fake = G(torch.randn(8, 10, 1, 1))
        label.fill_(0)
        loss_fake = criterion(D(fake.detach()).view(-1, 1).squeeze(1), label)
        loss_fake.backward()
        opt_d.step()
        G.zero_grad()
        label.fill_(1)
        loss_g = criterion(D(fake).view(-1, 1).squeeze(1), label)
        loss_g.backward()
        opt_g.step()
        losses_d.append((loss_real + loss_fake).item())
        losses_g.append(loss_g.item())
    close(losses_d, [1.51385, 1.3011, 1.230078, 1.196131, 1.157185], 1e-4)
    close(losses_g, [0.7085901, 0.6707607, 0.6282655, 0.6146261, 0.6383352], 1e-4)


def test_language_model_with_tied_weights():
    torch.manual_seed(1)
    embedding, rnn = nn.Embedding(20, 8), nn.LSTM(8, 8, 2, dropout=0.2)
    decoder = nn.Linear(8, 20)
    decoder.weight = embedding.weight
    nn.init.uniform_(embedding.weight, -0.1, 0.1)
    nn.init.zeros_(decoder.bias)
    drop = nn.Dropout(0.2)
    data, target = torch.randint(0, 20, (6, 4)), torch.randint(0, 20, (6, 4))
    hidden = (torch.zeros(2, 4, 8), torch.zeros(2, 4, 8))
    params = [embedding.weight, *rnn.parameters(), decoder.bias]
    got = []
    for _ in range(5):
        hidden = tuple(h.detach() for h in hidden)
        for p in params:
            p.grad = None
        output, hidden = rnn(drop(embedding(data)), hidden)
        loss = F.nll_loss(F.log_softmax(decoder(drop(output)).view(-1, 20), dim=1), target.view(-1))
        loss.backward()
        norm = nn.utils.clip_grad_norm_(params, 0.25)
        for p in params:
            p.data.add_(p.grad, alpha=-20)
        got.append(loss.item())
    close(got, [3.000496, 2.611169, 2.821351, 2.729712, 2.844893], 1e-4)
    close(norm.item(), 0.1977402, 1e-4)


def test_transformer_encoder():
    torch.manual_seed(1)
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 2, 32, dropout=0.1), 2)
    x = torch.randn(5, 3, 16)
    optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-2)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    got = []
    for _ in range(5):
        optimizer.zero_grad()
        loss = F.smooth_l1_loss(encoder(x, mask=mask), x.flip(0))
        loss.backward()
        optimizer.step()
        got.append(loss.item())
    close(got, [0.6561731, 0.5835546, 0.494656, 0.4522562, 0.4229012], 1e-4)


@pytest.mark.parametrize("kind, wanted", [
    ("LSTM", [-.19026873, .04952681, -.24512480, .01338900, -.24792317, -.00981562]),
    ("GRU", [-.25123331, -.39746082, -.46700406, -.56036800, -.61343908, -.63541532]),
    ("RNN", [-.23409370, -.00392210, -.10036074, -.21967545, -.10286068, -.51287711]),
])
def test_recurrent_layers(kind, wanted):
    torch.manual_seed(0)
    net = getattr(nn, kind)(2, 2)
    out, _ = net(torch.arange(6.0).view(3, 1, 2) / 10)
    assert out.flatten().tolist() == pytest.approx(wanted, abs=2e-7)
