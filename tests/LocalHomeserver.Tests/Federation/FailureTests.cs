namespace LocalHomeserver.Tests;

/// <summary>Whatever fails on the way between two homeservers, a message arrives once and in order.</summary>
[TestFixture("memory")]
[TestFixture("sqlite")]
[TestFixture("postgresql", Category = "Slow")]
internal sealed class FailureTests(string store) : FailingFederationTests(store)
{
    [Test]
    public async Task D16_a_server_that_was_out_of_reach_for_long_gets_everything_in_order_and_nobody_else_waits_for_it()
    {
        var elsewhere = await Servers[3].RegisterAsync();
        Wire.IsCut = true;
        await SendThreeAsync();
        await Eventually.IsAsync(() => Wire.Cut >= 5, "It is tried again and again");
        await Sender.SendAsync(elsewhere, "end");
        Assert.That(await elsewhere.ReceivesUntilAsync("end"), Is.Empty);
        await Sender.SendAsync(Receiver, "end");

        // Nothing more is sent from here on: sending resumes by itself.
        Wire.IsCut = false;

        Assert.That(await Receiver.ReceivesUntilAsync("end"), Is.EqualTo(Three));
    }

    [Test]
    public async Task R84_D15_a_transaction_whose_answer_was_lost_comes_again_as_it_was_and_is_delivered_once()
    {
        Wire.LosesAnswers = true;
        await SendThreeAsync();
        await Eventually.IsAsync(() => Wire.Answers.Count >= 3, "It is tried again and again");
        await Sender.SendAsync(Receiver, "end");

        Wire.LosesAnswers = false;

        Assert.That(await Receiver.ReceivesUntilAsync("end"), Is.EqualTo(Three));
        Assert.That(Wire.Answers.Select(answer => answer.Status), Is.All.EqualTo(200));
        TransactionsWereRepeatedAsTheyWere();
    }
}
