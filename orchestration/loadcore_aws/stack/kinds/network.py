"""A network of the stack's own: VPC, subnets, gateways, routes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

import loadcore as lc
from loadcore_aws.stack.kinds import ec2_tags
from loadcore_aws.stack.kinds.tolerant import unless_gone
from loadcore_aws.stack.resource import Found, Kind, Want

if TYPE_CHECKING:
    from loadcore_aws.stack.account import Account
    from loadcore_aws.stack.names import Owner

EVERYWHERE = "0.0.0.0/0"
INTERFACES_GO_WITHIN_S = 900.0
"""a deleted balancer's interfaces, public addresses among them, stay for minutes and keep subnets
and gateway in use"""


class Vpc(Kind):
    """Settings: `cidr`, `dns_hostnames` (on, as balancers and RDS want it)."""

    name = "vpc"
    fixed = frozenset({"cidr"})

    def find(self, account: Account, owner: Owner) -> list[Found]:
        vpcs = account.pages(
            "ec2", "describe_vpcs", "Vpcs", Filters=ec2_tags.owned(owner, self.name)
        )
        return [self._found(account, vpc) for vpc in vpcs]

    def _found(self, account: Account, vpc: dict[str, Any]) -> Found:
        tags = ec2_tags.of(vpc)
        hostnames = account.client("ec2").describe_vpc_attribute(
            VpcId=vpc["VpcId"], Attribute="enableDnsHostnames"
        )["EnableDnsHostnames"]["Value"]
        return Found(
            self.name,
            ec2_tags.name_of(tags),
            vpc["VpcId"],
            {"cidr": vpc["CidrBlock"], "dns_hostnames": hostnames},
            state=vpc.get("State", ""),
            tags=tags,
        )

    def create(self, account: Account, want: Want) -> None:
        """DNS host names can only be switched on afterwards, which is an update of its own."""
        account.client("ec2").create_vpc(
            CidrBlock=want.settings["cidr"], TagSpecifications=ec2_tags.specification("vpc", want)
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        if "dns_hostnames" in changed:
            account.client("ec2").modify_vpc_attribute(
                VpcId=found.id, EnableDnsHostnames={"Value": want.settings["dns_hostnames"]}
            )
        if "tags" in changed:
            ec2_tags.retag(account, found.id, want)

    def delete(self, account: Account, found: Found) -> None:
        account.client("ec2").delete_vpc(VpcId=found.id)

    def pending(self, account: Account, found: Found) -> str:
        return "" if found.state == "available" else found.state


class InternetGateway(Kind):
    """Settings: `vpc`, to which it is attached."""

    name = "internet_gateway"
    gone_within_s = INTERFACES_GO_WITHIN_S

    def find(self, account: Account, owner: Owner) -> list[Found]:
        gateways = account.pages(
            "ec2", "describe_internet_gateways", "InternetGateways",
            Filters=ec2_tags.owned(owner, self.name),
        )  # fmt: skip
        return [self._found(gateway) for gateway in gateways]

    def _found(self, gateway: dict[str, Any]) -> Found:
        tags = ec2_tags.of(gateway)
        attached = [each["VpcId"] for each in gateway.get("Attachments") or ()]
        settings = {"vpc": attached[0] if attached else None}
        return Found(
            self.name, ec2_tags.name_of(tags), gateway["InternetGatewayId"], settings, tags=tags
        )

    def create(self, account: Account, want: Want) -> None:
        """It is attached by the update that follows, since it is found without a VPC."""
        account.client("ec2").create_internet_gateway(
            TagSpecifications=ec2_tags.specification("internet-gateway", want)
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        if "vpc" in changed:
            self._detach(account, found)
            account.client("ec2").attach_internet_gateway(
                InternetGatewayId=found.id, VpcId=want.settings["vpc"]
            )
        if "tags" in changed:
            ec2_tags.retag(account, found.id, want)

    def delete(self, account: Account, found: Found) -> None:
        self._detach(account, found)
        account.client("ec2").delete_internet_gateway(InternetGatewayId=found.id)

    def _detach(self, account: Account, found: Found) -> None:
        vpc = found.settings["vpc"]
        if vpc is None:
            return
        try:
            account.client("ec2").detach_internet_gateway(InternetGatewayId=found.id, VpcId=vpc)
        except ClientError as error:
            if error.response["Error"]["Code"] != "Gateway.NotAttached":
                raise


class Subnet(Kind):
    """Settings: `vpc`, `cidr`, `zone`, `public` (whether instances get a public address)."""

    name = "subnet"
    fixed = frozenset({"vpc", "cidr", "zone"})
    gone_within_s = INTERFACES_GO_WITHIN_S

    def find(self, account: Account, owner: Owner) -> list[Found]:
        subnets = account.pages(
            "ec2", "describe_subnets", "Subnets", Filters=ec2_tags.owned(owner, self.name)
        )
        return [self._found(subnet) for subnet in subnets]

    def _found(self, subnet: dict[str, Any]) -> Found:
        tags = ec2_tags.of(subnet)
        settings = {
            "vpc": subnet["VpcId"],
            "cidr": subnet["CidrBlock"],
            "zone": subnet["AvailabilityZone"],
            "public": subnet["MapPublicIpOnLaunch"],
        }
        state = subnet.get("State", "")
        return Found(
            self.name, ec2_tags.name_of(tags), subnet["SubnetId"], settings, state=state, tags=tags
        )

    def create(self, account: Account, want: Want) -> None:
        account.client("ec2").create_subnet(
            VpcId=want.settings["vpc"],
            CidrBlock=want.settings["cidr"],
            AvailabilityZone=want.settings["zone"],
            TagSpecifications=ec2_tags.specification("subnet", want),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        if "public" in changed:
            account.client("ec2").modify_subnet_attribute(
                SubnetId=found.id, MapPublicIpOnLaunch={"Value": want.settings["public"]}
            )
        if "tags" in changed:
            ec2_tags.retag(account, found.id, want)

    def delete(self, account: Account, found: Found) -> None:
        account.client("ec2").delete_subnet(SubnetId=found.id)

    def pending(self, account: Account, found: Found) -> str:
        return "" if found.state == "available" else found.state


class ElasticIp(Kind):
    """A public address, for the NAT gateway. No settings."""

    name = "elastic_ip"

    def find(self, account: Account, owner: Owner) -> list[Found]:
        answer = account.client("ec2").describe_addresses(Filters=ec2_tags.owned(owner, self.name))
        return [self._found(address) for address in answer["Addresses"]]

    def _found(self, address: dict[str, Any]) -> Found:
        tags = ec2_tags.of(address)
        return Found(
            self.name,
            ec2_tags.name_of(tags),
            address["AllocationId"],
            {},
            attributes={"address": address["PublicIp"]},
            tags=tags,
        )

    def create(self, account: Account, want: Want) -> None:
        account.client("ec2").allocate_address(
            Domain="vpc", TagSpecifications=ec2_tags.specification("elastic-ip", want)
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        ec2_tags.retag(account, found.id, want)

    def delete(self, account: Account, found: Found) -> None:
        account.client("ec2").release_address(AllocationId=found.id)


class NatGateway(Kind):
    """Settings: `subnet` (a public one), `address` (an elastic_ip's id)."""

    name = "nat_gateway"
    fixed = frozenset({"subnet", "address"})
    ready_within_s = 600.0
    gone_within_s = 600.0

    def find(self, account: Account, owner: Owner) -> list[Found]:
        gateways = account.pages(
            "ec2", "describe_nat_gateways", "NatGateways", Filters=ec2_tags.owned(owner, self.name)
        )
        return [self._found(each) for each in gateways if each["State"] != "deleted"]

    def _found(self, gateway: dict[str, Any]) -> Found:
        tags = ec2_tags.of(gateway)
        addresses = gateway.get("NatGatewayAddresses") or [{}]
        settings = {
            "subnet": gateway["SubnetId"],
            "address": addresses[0].get("AllocationId"),
        }
        return Found(
            self.name,
            ec2_tags.name_of(tags),
            gateway["NatGatewayId"],
            settings,
            {"reason": gateway.get("FailureMessage") or gateway.get("FailureCode") or ""},
            state=gateway["State"],
            tags=tags,
        )

    def create(self, account: Account, want: Want) -> None:
        account.client("ec2").create_nat_gateway(
            SubnetId=want.settings["subnet"],
            AllocationId=want.settings["address"],
            ClientToken=want.token,
            TagSpecifications=ec2_tags.specification("natgateway", want),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        ec2_tags.retag(account, found.id, want)

    def delete(self, account: Account, found: Found) -> None:
        if found.state != "deleting":
            account.client("ec2").delete_nat_gateway(NatGatewayId=found.id)

    def pending(self, account: Account, found: Found) -> str:
        """Raises loadcore.RunError where it failed, which it stays: it is removed then, so that the
        next attempt begins anew ("Troubleshoot NAT gateways", Amazon VPC User Guide)."""
        if found.state == "failed":
            self.delete(account, found)
            raise lc.RunError(
                f"the NAT gateway {found.id} could not be made: "
                f"{found.attributes['reason'] or 'AWS does not say why'}; it is removed again; "
                "mend that and repeat the command"
            )
        return "" if found.state == "available" else found.state

    def going(self, found: Found) -> bool:
        return found.state == "deleting"


class RouteTable(Kind):
    """Settings: `vpc`, `gateway` (where everything else goes: an Internet or a NAT gateway's id, or
    None), `subnets` (sorted ids)."""

    name = "route_table"
    fixed = frozenset({"vpc"})

    def find(self, account: Account, owner: Owner) -> list[Found]:
        tables = account.pages(
            "ec2", "describe_route_tables", "RouteTables", Filters=ec2_tags.owned(owner, self.name)
        )
        return [self._found(table) for table in tables]

    def _found(self, table: dict[str, Any]) -> Found:
        tags = ec2_tags.of(table)
        routes = [r for r in table["Routes"] if r.get("DestinationCidrBlock") == EVERYWHERE]
        gateway = routes[0].get("GatewayId") or routes[0].get("NatGatewayId") if routes else None
        associations = {
            each["SubnetId"]: each["RouteTableAssociationId"]
            for each in table.get("Associations") or ()
            if "SubnetId" in each
        }
        return Found(
            self.name,
            ec2_tags.name_of(tags),
            table["RouteTableId"],
            {"vpc": table["VpcId"], "gateway": gateway, "subnets": sorted(associations)},
            attributes=associations,
            tags=tags,
        )

    def create(self, account: Account, want: Want) -> None:
        """Route and associations follow as updates."""
        account.client("ec2").create_route_table(
            VpcId=want.settings["vpc"],
            TagSpecifications=ec2_tags.specification("route-table", want),
        )

    def update(self, account: Account, found: Found, want: Want, changed: frozenset[str]) -> None:
        ec2 = account.client("ec2")
        if "gateway" in changed:
            self._route(ec2, found, want.settings["gateway"])
        if "subnets" in changed:
            for subnet in sorted(set(want.settings["subnets"]) - set(found.settings["subnets"])):
                ec2.associate_route_table(RouteTableId=found.id, SubnetId=subnet)
            for subnet in sorted(set(found.settings["subnets"]) - set(want.settings["subnets"])):
                ec2.disassociate_route_table(AssociationId=found.attributes[subnet])
        if "tags" in changed:
            ec2_tags.retag(account, found.id, want)

    def _route(self, ec2: Any, found: Found, gateway: str | None) -> None:
        if found.settings["gateway"] is not None:
            ec2.delete_route(RouteTableId=found.id, DestinationCidrBlock=EVERYWHERE)
        if gateway is not None:
            key = "NatGatewayId" if gateway.startswith("nat-") else "GatewayId"
            ec2.create_route(
                RouteTableId=found.id, DestinationCidrBlock=EVERYWHERE, **{key: gateway}
            )

    def delete(self, account: Account, found: Found) -> None:
        ec2 = account.client("ec2")
        for subnet in found.settings["subnets"]:
            unless_gone(ec2.disassociate_route_table, AssociationId=found.attributes[subnet])
        ec2.delete_route_table(RouteTableId=found.id)


KINDS: tuple[Kind, ...] = (
    Vpc(),
    InternetGateway(),
    Subnet(),
    ElasticIp(),
    NatGateway(),
    RouteTable(),
)
