using System.Reflection;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Routing;

namespace LocalHomeserver.Tests;

/// <summary>
/// The routes under <c>/_matrix</c>, for the tests that hold them against the definitions of the specification: those fail by name for a
/// route that nobody calls there. A change that is meant: copy the .received.txt beside the tests over tests/Spec/routes.txt.
/// </summary>
internal sealed class RouteTests
{
    [Test]
    public async Task The_routes_are_those_that_are_held_against_the_specification()
    {
        await using var app = Program.Build(["--Store", "memory", "--Federation:Peers:hs2.localhost", "http://127.0.0.1:1"]);
        // One without a method answers the methods that its path does not have (R5).
        var routes = ((IEndpointRouteBuilder)app).DataSources.SelectMany(source => source.Endpoints).OfType<RouteEndpoint>()
            .Where(route => route.RoutePattern.RawText!.StartsWith("/_matrix/", StringComparison.Ordinal))
            .SelectMany(route => (route.Metadata.GetMetadata<IHttpMethodMetadata>()?.HttpMethods ?? []).Select(method => $"{method} {route.RoutePattern.RawText}"))
            .Distinct().Order(StringComparer.Ordinal).ToList();

        var repository = typeof(RouteTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(one => one.Key == "Repository").Value!;
        var approved = Path.Combine(repository, "tests", "Spec", "routes.txt");
        var received = Path.Combine(AppContext.BaseDirectory, "routes.received.txt");
        await File.WriteAllLinesAsync(received, routes);
        Assert.That(routes, Is.EqualTo(await File.ReadAllLinesAsync(approved)), $"If that is meant: cp {received} {approved}");
    }
}
