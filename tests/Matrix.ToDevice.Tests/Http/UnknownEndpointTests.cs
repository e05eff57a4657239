namespace Matrix.ToDevice.Tests;

public class UnknownEndpointTests : HttpTests
{
    [TestCase("/_matrix/client/v3/sendToDevice")]
    [TestCase("/_matrix/client/v3/sendToDevice/")]
    [TestCase("/_matrix/client/v3/sendToDevice/m.test")]
    [TestCase("/_matrix/client/v3/sendToDevice/m.test/", Description = "empty transaction ID")]
    [TestCase("/_matrix/client/v3/sendToDevice//t1", Description = "empty event type")]
    [TestCase("/_matrix/client/v3/sendToDevice//", Description = "both empty")]
    [TestCase("/_matrix/client/v3/sendToDevice/m.test/t1/", Description = "trailing slash")]
    [TestCase("/_matrix/client/v3/sendToDevice/m.test//t1")]
    [TestCase("/_matrix/client/v3/sendToDevice/m.test/t1/more")]
    [TestCase("/_matrix/client/v3/sendToDevice/sendToDevice/m.test/t1")]
    [TestCase("/_matrix/client/v3/sendToDevice/_matrix/client/v3/sendToDevice/m.test/t1")]
    [TestCase("/_matrix/client/v3/sendToDevice/sendToDevice/m.test/..")]
    [TestCase("/_matrix/client/v3/sendtodevice/m.test/t1", Description = "wrong case")]
    [TestCase("/_matrix/client/V3/sendToDevice/m.test/t1")]
    [TestCase("/_MATRIX/client/v3/sendToDevice/m.test/t1")]
    public async Task R5_D1_what_is_not_quite_the_path_is_an_unknown_endpoint(string path)
    {
        (await PutRawAsync(path)).ShouldBe(404, "M_UNRECOGNIZED");

        Assert.That(await CountBobsMailAsync(), Is.Zero);
    }

    [TestCase("/_matrix/client/v3/sendToDevice/sendToDevice/sendToDevice")]
    [TestCase("/_matrix/client/v3/sendToDevice/m.test/sendToDevice")]
    [TestCase("/_matrix/client/v3/sendToDevice/m.test/t1?")]
    [TestCase("/_matrix/client/v3/sendToDevice/m.test/t1?a=/b/c")]
    public async Task R20_D1_what_only_looks_unusual_is_the_endpoint(string path)
    {
        (await PutRawAsync(path)).ShouldBeAccepted();

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [Test]
    public async Task R5_the_path_in_absolute_form_is_the_same_path()
    {
        (await PutRawAsync($"http://hs1{Endpoint}m.test/t1")).ShouldBeAccepted();
        (await PutRawAsync($"{Endpoint}m.test/t1")).ShouldBeAccepted();

        Assert.That(await CountBobsMailAsync(), Is.EqualTo(1));
    }

    [TestCase("GET")]
    [TestCase("POST")]
    [TestCase("DELETE")]
    [TestCase("PATCH")]
    [TestCase("WHATEVER")]
    public async Task R5_a_wrong_method_is_405(string method)
    {
        var response = await Alice.SendAsync(new HttpMethod(method), $"{Endpoint}m.test/t1");

        response.ShouldBe(405, "M_UNRECOGNIZED");
        Assert.That(response.Headers["Allow"], Is.EqualTo("PUT, OPTIONS"));
    }

    [Test]
    public async Task R5_a_wrong_method_on_an_unknown_path_is_404([Values("GET", "POST")] string method)
    {
        (await Alice.SendAsync(new HttpMethod(method), $"{Endpoint}m.test/t1/more")).ShouldBe(404, "M_UNRECOGNIZED");
        (await Alice.SendAsync(new HttpMethod(method), Endpoint)).ShouldBe(404, "M_UNRECOGNIZED");
    }

    [Test]
    public async Task R5_no_token_is_needed_to_learn_that_an_endpoint_is_unknown()
    {
        using var response = await Server.Http.PutAsync(new Uri($"{Endpoint}m.test", UriKind.Relative), null);

        (await TestResponse.ReadAsync(response)).ShouldBe(404, "M_UNRECOGNIZED");
    }
}
