using System.Reflection;
using Microsoft.AspNetCore.Mvc.ApplicationParts;
using Microsoft.AspNetCore.Mvc.Controllers;

namespace Adoption;

/// <summary>Hosts that share an assembly have one controller each.</summary>
internal sealed class OnlyController<TController> : IApplicationFeatureProvider<ControllerFeature>
{
    public void PopulateFeature(IEnumerable<ApplicationPart> parts, ControllerFeature feature)
    {
        feature.Controllers.Clear();
        feature.Controllers.Add(typeof(TController).GetTypeInfo());
    }
}
